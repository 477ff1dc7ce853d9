"""An S3 in bad weather: a proxy that passes requests on, or lets them come to grief."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from urllib.parse import urlsplit

_ERROR = "<Error><Code>{}</Code><Message>We encountered an error. Try again.</Message></Error>"
_OF_THE_CONNECTION = {"connection", "transfer-encoding", "content-length", "date", "server"}


TRUNCATED = "S3: truncated answer"
KINDS: Mapping[str, int] = {
    "S3: 500": 3,
    "S3: 503 slow down": 3,
    "S3: 500 after it was done": 2,
    "S3: slow answer": 3,
    "S3: no answer": 2,
    TRUNCATED: 6,
}


@dataclass
class Weather:
    """What happens to requests.

    Attributes:
        chance: Decides; requests come from many threads, so the same chance is never quite the
            same weather.
        rate: Share of the requests that something happens to.
        kinds: What may happen, with its weight.
        counts: What happened how often.
    """

    chance: Random
    rate: float = 0.0
    kinds: Mapping[str, int] = field(default_factory=lambda: KINDS)
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def strikes(self, command: str) -> str:
        """What happens to a request; mostly nothing."""
        with self.lock:
            if self.chance.random() >= self.rate:
                return ""
            kinds = {it: n for it, n in self.kinds.items() if it != TRUNCATED or command == "GET"}
            (kind,) = self.chance.choices(list(kinds), list(kinds.values()))
            self.counts[kind] += 1
            return kind


@dataclass(frozen=True)
class Answer:
    """What the endpoint behind the proxy says; the size is what it announces."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    size: int


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    backend: str
    weather: Weather

    def answer(self) -> None:
        """Pass the request on, unless something happens."""
        request = self._body()
        kind = self.weather.strikes(self.command)
        acts: dict[str, Callable[[bytes], None]] = {
            "S3: 500": lambda _: self._refuse(500, "InternalError"),
            "S3: 503 slow down": lambda _: self._refuse(503, "SlowDown"),
            "S3: 500 after it was done": self._pass_and_refuse,
            "S3: slow answer": self._pass_slowly,
            "S3: no answer": lambda _: self._hang_up(),
            TRUNCATED: self._pass_half,
        }
        acts.get(kind, self._pass)(request)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 - names of HTTP

    def log_message(self, *_: object) -> None:
        pass

    def _pass(self, request: bytes) -> None:
        answer = self._forwarded(request)
        self._send(answer, answer.body)

    def _pass_slowly(self, request: bytes) -> None:
        time.sleep(self.weather.chance.uniform(0.2, 1.5))
        self._pass(request)

    def _pass_half(self, request: bytes) -> None:
        answer = self._forwarded(request)
        self._send(answer, answer.body[: len(answer.body) // 2])
        self._hang_up()

    def _pass_and_refuse(self, request: bytes) -> None:
        self._forwarded(request)
        self._refuse(500, "InternalError")

    def _refuse(self, status: int, code: str) -> None:
        body = b"" if self.command == "HEAD" else _ERROR.format(code).encode()
        self._send(Answer(status, (("Content-Type", "application/xml"),), body, len(body)), body)

    def _hang_up(self) -> None:
        self.close_connection = True

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    def _forwarded(self, request: bytes) -> Answer:
        connection = HTTPConnection(self.backend, timeout=60)
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in {"host", "transfer-encoding", "expect", "connection"}
        }
        headers["Content-Length"] = str(len(request))
        connection.request(self.command, self.path, request, headers)
        found = connection.getresponse()
        body = found.read()
        connection.close()
        size = int(found.getheader("Content-Length") or 0) if self.command == "HEAD" else len(body)
        return Answer(found.status, tuple(found.getheaders()), body, size)

    def _send(self, answer: Answer, sent: bytes) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            if name.lower() not in _OF_THE_CONNECTION:
                self.send_header(name, value)
        self.send_header("Content-Length", str(answer.size))
        self.end_headers()
        self.wfile.write(sent)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """A client that was killed, or hung up, is part of the weather."""


@contextmanager
def in_weather(endpoint: str, weather: Weather) -> Iterator[str]:
    """The endpoint of a proxy before another one."""
    parts = {"backend": urlsplit(endpoint).netloc, "weather": weather}
    with _Server(("127.0.0.1", 0), type("Proxy", (_Proxy,), parts)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
