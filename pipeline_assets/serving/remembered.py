"""Answers that were given before, and are given again as long as no newer snapshot is published.

An answer depends on nothing but the request and the snapshots that it has read. So the same request
is answered from memory, before anything of it is parsed, once it is known that the snapshots are
still the newest ones; a lake whose catalog is SQLite is asked for that in microseconds.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from fastapi import Request, Response

from pipeline_assets.reading.open_lake import OpenLake
from pipeline_assets.reading.published_table import PublishedTable
from pipeline_assets.serving.measures import Measures
from pipeline_assets.serving.tokens import BusyError, Callers, UnknownTokenError

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Key: TypeAlias = tuple[object, ...]

KEPT_BYTES: Final = 64 << 20
LARGEST_BYTES: Final = 1 << 20
SOON_SECONDS: Final = 1.0
"""How long a request waits for the same one that came before it, instead of doing its work too."""
LONGEST_BODY: Final = 64 << 10
"""A longer statement is answered anew each time."""
_KEY: Final = "lake.request"
_WANTED: Final = (b"accept", b"authorization", b"content-type")


@dataclass(frozen=True)
class Remembered:
    """An answer, and the snapshots that it has read."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    snapshots: Mapping[str, int]

    @property
    def etag(self) -> bytes:
        """Of the snapshots; empty if the answer has none."""
        return next((value for name, value in self.headers if name == b"etag"), b"")


@dataclass
class Answers:
    """The answers that were asked for last.

    Attributes:
        lake: Says which snapshots are the newest ones.
        kept_bytes: How much of them is kept.
    """

    lake: OpenLake
    kept_bytes: int = KEPT_BYTES
    _kept: "OrderedDict[Key, Remembered]" = field(default_factory=OrderedDict, repr=False)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def find(self, key: Key) -> Remembered | None:
        """The answer to a request, if nothing newer than what it has read is published."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
        return found if self._is_newest(found.snapshots) else None

    def remember(
        self, request: Request, response: Response, tables: Mapping[str, PublishedTable]
    ) -> Response:
        """Keep an answer for the next one who asks the same; returns it."""
        key = request.scope.get(_KEY)
        if key is None or len(response.body) > LARGEST_BYTES:
            return response
        snapshots = {name: table.snapshot_id for name, table in tables.items()}
        if self._is_newest(snapshots):  # and none of the past, which is asked for seldom
            headers = tuple(response.raw_headers)
            body = bytes(response.body)
            self._keep(key, Remembered(response.status_code, headers, body, snapshots))
        return response

    def _keep(self, key: Key, answer: Remembered) -> None:
        with self._lock:
            if old := self._kept.pop(key, None):
                self._bytes -= len(old.body)
            self._kept[key] = answer
            self._bytes += len(answer.body)
            while self._bytes > self.kept_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= len(oldest.body)

    def _is_newest(self, snapshots: Mapping[str, int]) -> bool:
        present = ((self.lake.at_hand(name), id_) for name, id_ in snapshots.items())
        return all(table is not None and table.snapshot_id == id_ for table, id_ in present)


class AnswersFirst:
    """Middleware that answers what is remembered, and hands on everything else."""

    def __init__(self, app: App, answers: Answers, callers: Callers, measures: Measures) -> None:
        """Stand before an application.

        Args:
            app: Answers what is not remembered.
            answers: What is.
            callers: Who may ask.
            measures: Count what is answered here too.
        """
        self._app = app
        self._answers = answers
        self._callers = callers
        self._measures = measures
        self._asked: dict[Key, asyncio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of ASGI."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "POST"):
            await self._app(scope, receive, send)
            return
        messages = [await receive()] if scope["method"] == "POST" else []
        key, headers = _key(scope, messages)
        if key is None:
            await self._app(scope, _again(messages, receive), send)
            return
        scope[_KEY] = key
        known = headers.get(b"if-none-match", b"") if scope["method"] == "GET" else b""
        answer = self._answers.find(key) or await self._from_another(key)
        if answer and await self._answered(answer, headers, known, send):
            return
        with self._under_way(key):
            await self._app(scope, _again(messages, receive), send)

    async def _from_another(self, key: Key) -> Remembered | None:
        """What a request gets that asks the same at this moment, if it gets it soon."""
        event = self._asked.get(key)
        if event is None:
            return None
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), SOON_SECONDS)
        return self._answers.find(key)

    @contextmanager
    def _under_way(self, key: Key) -> Iterator[None]:
        event = asyncio.Event()
        is_first = self._asked.setdefault(key, event) is event
        try:
            yield
        finally:
            if is_first:
                del self._asked[key]
            event.set()

    async def _answered(
        self, answer: Remembered, headers: Mapping[bytes, bytes], known: bytes, send: Send
    ) -> bool:
        try:
            caller = self._callers.caller(headers.get(b"authorization", b"").decode("latin-1"))
            with self._callers.slot(caller), self._measures.answering(caller.name):
                await _send(answer, known, send)
        except (UnknownTokenError, BusyError):
            return False  # the application words it
        return True


def _key(scope: Scope, messages: list[Message]) -> tuple[Key | None, dict[bytes, bytes]]:
    """What an answer depends on besides the snapshots; None if its body is long or in parts."""
    headers = dict(scope["headers"])
    if messages and (messages[0].get("more_body") or len(messages[0]["body"]) > LONGEST_BODY):
        return None, headers
    body = messages[0]["body"] if messages else b""
    asked = (headers.get(name) for name in _WANTED)
    return (scope["method"], scope["path"], scope["query_string"], body, *asked), headers


def _again(messages: list[Message], receive: Receive) -> Receive:
    """What was received already, and then what comes."""

    async def next_message() -> Message:
        return messages.pop(0) if messages else await receive()

    return next_message


async def _send(answer: Remembered, known: bytes, send: Send) -> None:
    is_known = bool(answer.etag) and answer.etag in known
    status, body = (304, b"") if is_known else (answer.status, answer.body)
    unwanted = (b"content-length", b"content-type") if is_known else ()
    headers = [each for each in answer.headers if each[0] not in unwanted]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
