"""The channels that alerts go through: e-mail, a Slack webhook, an SNS topic."""

import json
import smtplib
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.alerts.incidents import Alert

TIMEOUT: Final = 10
"""Seconds that a channel has to accept an alert."""
SUBJECT_LENGTH: Final = 100
"""SNS refuses longer subjects."""


class Channel(Protocol):
    """A way to reach people; the alert sensor sends each alert once through every channel."""

    @property
    def name(self) -> str:
        """The name under which alerts wait for it."""
        ...

    def send(self, alert: Alert) -> None:
        """Send an alert.

        Raises:
            PipelineError: The channel did not accept it.
        """
        ...


@dataclass(frozen=True)
class Email:
    """E-mail over SMTP.

    Attributes:
        server: ``smtp://[user:password@]host[:port]``, encrypted by STARTTLS where the server
            offers it, or ``smtps://…``, encrypted from the start. An encrypted session is with a
            server whose certificate names it and is signed by an authority that OpenSSL knows.
        sender: Address of the sender.
        recipients: Addresses of the recipients.
    """

    server: str = field(repr=False)  # may hold a password
    sender: str
    recipients: tuple[str, ...]
    name: str = "e-mail"

    def send(self, alert: Alert) -> None:
        """See :class:`Channel`; mail systems recognise a repeated alert by its message id."""
        message = EmailMessage()
        message["Subject"] = alert.title
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message["Message-ID"] = f"<{alert.id}@pipeline-assets>"
        message.set_content(_body(alert))
        # Closed without QUIT: the server has accepted the message, and an error of QUIT would
        # make the sensor send the alert again.
        with _one_line_errors(self.name), closing(self._session()) as session:
            session.send_message(message)

    def _session(self) -> smtplib.SMTP:
        url = urlsplit(self.server)
        host, port = url.hostname or "", url.port or 0
        if url.scheme == "smtps":
            # smtplib's own default encrypts, but to whoever answers.
            verified = ssl.create_default_context()
            session: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=verified)
        else:
            session = smtplib.SMTP(host, port, timeout=TIMEOUT)
            _encrypt(session, has_password=url.password is not None)
        if url.username and url.password:
            session.login(unquote(url.username), unquote(url.password))
        return session


@dataclass(frozen=True)
class SlackWebhook:
    """An incoming webhook of Slack, or of any service that accepts the same JSON."""

    url: str = field(repr=False)  # whoever knows it may post
    name: str = "Slack"

    def send(self, alert: Alert) -> None:
        """See :class:`Channel`."""
        text = f"*{alert.title}*\n{_body(alert)}"
        request = urllib.request.Request(  # noqa: S310 - settings take https:// and http:// only
            self.url,
            data=json.dumps({"text": text}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with _one_line_errors(self.name), urllib.request.urlopen(request, timeout=TIMEOUT):  # noqa: S310
            pass


@dataclass(frozen=True)
class SnsTopic:
    """A topic of Amazon SNS; a FIFO topic drops an alert that is sent again."""

    arn: str
    name: str = "SNS"

    def send(self, alert: Alert) -> None:
        """See :class:`Channel`."""
        import boto3

        once = {"MessageGroupId": "alerts", "MessageDeduplicationId": alert.id}
        with _one_line_errors(self.name):
            # SNS accepts only ASCII in a subject, and at most a hundred characters.
            subject = alert.title.encode("ascii", "replace").decode()
            if len(subject) > SUBJECT_LENGTH:
                subject = subject[: SUBJECT_LENGTH - 3] + "..."
            client: Any = boto3.Session().client("sns", region_name=self.arn.split(":")[3])
            client.publish(
                TopicArn=self.arn,
                Subject=subject,
                Message=_body(alert),
                **(once if self.arn.endswith(".fifo") else {}),
            )


def _encrypt(session: smtplib.SMTP, *, has_password: bool) -> None:
    """Encrypt the session where the server can; a password is never sent in clear text."""
    session.ehlo()
    if session.has_extn("starttls"):
        session.starttls(context=ssl.create_default_context())
        session.ehlo()
    elif has_password:
        raise PipelineError("the server offers no encryption, so the password is not sent")


def _body(alert: Alert) -> str:
    return f"{alert.text}\n\n{alert.link}\n"


@contextmanager
def _one_line_errors(channel: str) -> Iterator[None]:
    try:
        yield
    except (OSError, smtplib.SMTPException, BotoCoreError, ClientError, PipelineError) as error:
        message = str(error) or type(error).__name__
        raise PipelineError(f"{channel}: {message.splitlines()[0]}") from error
