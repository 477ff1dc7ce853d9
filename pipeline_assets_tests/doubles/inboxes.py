"""A mail server and a webhook of this machine, which keep what they are sent."""

import http.server
import json
import socketserver
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


@contextmanager
def mail_server() -> Iterator[Inbox]:
    """Speaks as much SMTP (RFC 5321) as a client needs that neither encrypts nor logs in."""
    inbox = Inbox()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 here")
            while line := self.rfile.readline().strip().upper():
                if line == b"DATA":
                    self._say("354 go on")
                    self._keep()
                self._say("451 later" if inbox.refuses and b"MAIL" in line else "250 fine")

        def _keep(self) -> None:
            lines = iter(self.rfile.readline, b".\r\n")
            mail = message_from_bytes(b"".join(lines), policy=policy.default)
            assert isinstance(mail, EmailMessage)
            inbox.mails.append(mail)

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with _serving(socketserver.ThreadingTCPServer((HOST, 0), Session), inbox):
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
