"""A server that answers like Wikimedia's APIs, and is as strict with its guests as they are.

It refuses who names no operator (403), who sends a fourth request at the same time (429), and who
does not wait as long as it was asked to (429). Its log says what it was asked, and what broke a
rule. Only what this project asks for is answered.
"""

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from pipeline_assets.sample.wikipedia.articles import Encyclopaedia
from pipeline_assets.sample.wikipedia.queries import query

MOST_AT_ONCE: Final = 3
ON_THE_WAY: Final = 0.2
"""How long a request may take to arrive, in seconds."""
VIEWS: Final = "/api/rest_v1/metrics/pageviews/per-article/"
_NO_DATA: Final = (
    "The date(s) you used are valid, but we either do not have data for those date(s), or the "
    "project you asked for is not loaded yet. Please check documentation for more information."
)


@dataclass(frozen=True)
class Entry:
    """A line of the log: what was asked, whether only in case of a change, and how it went."""

    url: str
    is_conditional: bool
    status: int


@dataclass
class Wikipedia:
    """The server's state; tests may change it while it runs.

    Attributes:
        holds: What it answers with.
        busy_every: So many requests are followed by a 429 that asks for a pause; 0 for never.
        pause: How long, in seconds, that is.
        latency: How long each answer takes, in seconds.
        log: What it was asked.
        broken: The rules that guests have broken, a line each.
    """

    holds: Encyclopaedia
    busy_every: int = 0
    pause: int = 1
    latency: float = 0.0
    log: list[Entry] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _present: int = 0
    _since_busy: int = 0
    _closed_since: float = 0.0
    _closed_until: float = 0.0

    def arrive(self, url: str, agent: str) -> tuple[int, str] | None:
        """Let a request in; otherwise the status and the reason that it is refused with."""
        with self._lock:
            self._present += 1
            if "(" not in agent or not {"@", "/"} & set(agent.partition("(")[2]):
                self.broken.append(f"no contact in {agent!r}: {url}")
                return 403, "Please set a user-agent that names you"
            if self._present > MOST_AT_ONCE:
                self.broken.append(f"{self._present} requests at once: {url}")
                return 429, "Too many requests at once"
            if time.monotonic() < self._closed_until:
                # Who was on the way already could not know.
                if time.monotonic() > self._closed_since + ON_THE_WAY:
                    self.broken.append(f"did not wait: {url}")
                return 429, "You were asked to wait"
            self._since_busy += 1
            if self._since_busy == self.busy_every:
                self._since_busy = 0
                return 429, "Busy"
        return None

    def leave(self, entry: Entry) -> None:
        """Note how a request went."""
        with self._lock:
            self._present -= 1
            self.log.append(entry)

    def close_for_a_while(self) -> None:
        """From now on nobody may ask until the pause is over; who is on the way may."""
        with self._lock:
            if time.monotonic() >= self._closed_until:
                self._closed_since = time.monotonic()
                self._closed_until = self._closed_since + self.pause - ON_THE_WAY

    def answer(self, url: str) -> tuple[int, Any]:
        """The status and the JSON value for a request."""
        parts = urlsplit(url)
        if parts.path == "/w/api.php":
            return 200, query(self.holds, dict(parse_qsl(parts.query)))
        return self._views(parts.path)

    def _views(self, path: str) -> tuple[int, Any]:
        fields = path.removeprefix(VIEWS).split("/")
        if not path.startswith(VIEWS) or len(fields) != 7 or fields[1:3] != ["all-access", "user"]:
            kind = "https://mediawiki.org/wiki/HyperSwitch/errors/not_found#route"
            return 404, {"type": kind, "title": "Not found."}
        project, title = fields[0], unquote(fields[3]).replace("_", " ")
        first, last = (_day(text) for text in fields[5:])
        seen = self.holds.seen(title, first, last) if project == self.holds.project else {}
        if not seen:
            return 404, {"type": "about:blank", "title": "Not Found", "detail": _NO_DATA}
        fixed = {"project": project, "article": unquote(fields[3]), "granularity": "daily"}
        return 200, {
            "items": [
                {**fixed, "timestamp": f"{day:%Y%m%d}00", "access": "all-access", "views": views}
                for day, views in seen.items()
            ]
        }


@contextmanager
def running_wikipedia(state: Wikipedia) -> Iterator[Wikipedia]:
    """Serve on a free port of this machine; the state knows the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            refused = state.arrive(self.path, self.headers.get("User-Agent", ""))
            asked = self.headers.get("If-None-Match")
            status, body = refused or state.answer(self.path)
            time.sleep(state.latency)
            data = json.dumps(body).encode()
            etag = f'W/"{hashlib.sha256(data).hexdigest()[:16]}"'
            if status == 200 and asked == etag:
                status, data = 304, b""
            headers = {"ETag": etag, "Content-Type": "application/json"}
            if status == 429:
                headers["Retry-After"] = str(state.pause)
                state.close_for_a_while()
            # Before the answer: whoever has it may send the next request at once.
            state.leave(Entry(self.path, asked is not None, status))
            self._send(status, headers, data)

        def _send(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nobody reads it; the state has a log of its own."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()


def _day(text: str) -> date:
    return datetime.strptime(text[:8], "%Y%m%d").date()
