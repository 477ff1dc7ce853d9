"""A mail server and a webhook of this machine, which keep what they are sent."""

import http.server
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

HOST = "127.0.0.1"


@dataclass
class Inbox:
    """What was delivered to a port; while ``refuses`` is set, everything is turned away."""

    port: int = 0
    refuses: bool = False
    mails: list[EmailMessage] = field(default_factory=list)
    posts: list[str] = field(default_factory=list)


class MailSession(socketserver.StreamRequestHandler):
    """Speaks as much SMTP (RFC 5321) as a client needs that does not log in."""

    inbox: Inbox
    tls: ssl.SSLContext | None
    from_the_start: bool

    def setup(self) -> None:
        super().setup()
        if self.from_the_start:
            self._encrypt()

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline().strip().upper():
            if line == b"STARTTLS":
                self._say("220 go on")
                self._encrypt()
            elif line.startswith(b"EHLO") and self.tls:
                self._say("250-here\r\n250 STARTTLS")
            else:
                self._answer(line)

    def _answer(self, line: bytes) -> None:
        if line == b"DATA":
            self._say("354 go on")
            self._keep()
        self._say("451 later" if self.inbox.refuses and b"MAIL" in line else "250 fine")

    def _encrypt(self) -> None:
        assert self.tls is not None
        self.request = self.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def _keep(self) -> None:
        lines = iter(self.rfile.readline, b".\r\n")
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.inbox.mails.append(mail)

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mail_server(
    tls: ssl.SSLContext | None = None, *, from_the_start: bool = False
) -> Iterator[Inbox]:
    """A mail server of this machine.

    Args:
        tls: Encrypts sessions.
        from_the_start: Before the first word, rather than when the client asks (STARTTLS).
    """
    inbox = Inbox()
    members = {"inbox": inbox, "tls": tls, "from_the_start": from_the_start}
    session = type("Session", (MailSession,), members)
    with _serving(socketserver.ThreadingTCPServer((HOST, 0), session), inbox):
        yield inbox


@contextmanager
def webhook() -> Iterator[Inbox]:
    """Takes Slack's JSON."""
    inbox = Inbox()

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not inbox.refuses:
                inbox.posts.append(json.loads(body)["text"])
            self.send_response(503 if inbox.refuses else 200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with _serving(http.server.ThreadingHTTPServer((HOST, 0), Hook), inbox):
        yield inbox


@contextmanager
def _serving(server: socketserver.TCPServer, inbox: Inbox) -> Iterator[None]:
    inbox.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
