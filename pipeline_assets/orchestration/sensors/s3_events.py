"""S3's event notifications, as SQS delivers them: at least once, in any order.

An event only says which object to look at. The sensor then lists S3 itself, which always shows the
last write. So an event that is old, repeated or out of order does no harm, and nobody has to
compare the etags or sequencers of events.

The formats are those of S3 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/
notification-content-structure.html) and of SNS, which may stand between S3 and the queue.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.parse import unquote_plus

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.s3_access import S3_SCHEME, S3Access

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

BATCH: Final = 10
"""SQS receives and deletes at most so many messages in one request."""

_VISIBILITY_SECONDS: Final = 60
_SHOWN: Final = 200


@dataclass(frozen=True)
class Message:
    """A message of the queue.

    Attributes:
        receipt: The handle that SQS wants when the message is deleted.
        uris: The objects that it names.
        problem: Why the message is no event of S3; None if it is one.
    """

    receipt: str
    uris: tuple[str, ...] = ()
    problem: str | None = None


class Queue(Protocol):
    """A queue that delivers a message again until it is deleted."""

    @property
    def url(self) -> str:
        """Its address, for messages to people."""
        ...

    def receive(self, most: int) -> Iterator[Message]:
        """Receive messages until the queue is empty or about ``most`` have come."""
        ...

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages."""
        ...


@dataclass(frozen=True)
class EventQueue:
    """The SQS queue that S3 notifies; a message that is not deleted comes back after a minute."""

    url: str
    access: S3Access

    @cached_property
    def client(self) -> "SQSClient":
        """The boto3 client; creating one takes a while, so it is created once."""
        return cast("SQSClient", self.access.client("sqs"))

    def receive(self, most: int) -> Iterator[Message]:
        """Receive messages until the queue is empty or about ``most`` have come.

        Raises:
            PipelineError: The queue cannot be reached.
        """
        for _ in range(0, most, BATCH):
            with _one_line_errors(self.url):
                answer = self.client.receive_message(
                    QueueUrl=self.url,
                    MaxNumberOfMessages=BATCH,
                    VisibilityTimeout=_VISIBILITY_SECONDS,
                    WaitTimeSeconds=1,
                )
            found = answer.get("Messages", [])
            if not found:
                return
            yield from (read_message(each["ReceiptHandle"], each["Body"]) for each in found)

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages; SQS delivers a message again that it could not delete.

        Raises:
            PipelineError: The queue cannot be reached.
        """
        for start in range(0, len(messages), BATCH):
            batch = messages[start : start + BATCH]
            with _one_line_errors(self.url):
                self.client.delete_message_batch(
                    QueueUrl=self.url,
                    Entries=[
                        {"Id": str(place), "ReceiptHandle": each.receipt}
                        for place, each in enumerate(batch)
                    ],
                )


def read_message(receipt: str, body: str) -> Message:
    """Read the objects that a message names; S3's test event names none.

    Args:
        receipt: The message's handle.
        body: The message's text.
    """
    try:
        return Message(receipt, tuple(_uris(json.loads(body))))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        problem = f"no event of S3 ({type(error).__name__}): {body[:_SHOWN]}"
        return Message(receipt, problem=problem)


def _uris(event: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    if event.get("Type") == "Notification":
        yield from _uris(json.loads(event["Message"]))
    elif event.get("Event") != "s3:TestEvent":
        for record in event["Records"]:
            place = record["s3"]
            key = unquote_plus(place["object"]["key"], errors="strict")
            yield f"{S3_SCHEME}{place['bucket']['name']}/{key}"


@contextmanager
def _one_line_errors(url: str) -> Iterator[None]:
    """Raise a PipelineError of one line for whatever SQS or boto3 raises."""
    try:
        yield
    except ClientError as error:
        details = error.response.get("Error", {})
        code, message = details.get("Code", "unknown error"), details.get("Message", "")
        raise PipelineError(f"SQS refused {url}: {code} {message}") from error
    except BotoCoreError as error:
        raise PipelineError(
            f"Cannot reach SQS for {url}: {type(error).__name__}: {error}"
        ) from error
