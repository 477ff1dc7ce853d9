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
from http import HTTPStatus
from typing import Any, Final, Protocol, TypeAlias

from fastapi import Request, Response

from pipeline_assets.reading.changes import Mark
from pipeline_assets.reading.open_lake import OpenLake
from pipeline_assets.reading.published_table import PublishedTable
from pipeline_assets.serving.measures import Measures
from pipeline_assets.serving.tokens import BusyError, Callers, UnknownTokenError

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Key: TypeAlias = tuple[object, ...]

KEPT_BYTES: Final = 64 << 20
LARGEST_BYTES: Final = 1 << 20
SOON_SECONDS: Final = 1.0
"""How long a request waits for the same one that came before it, instead of doing its work too."""
LONGEST_BODY: Final = 64 << 10
"""A longer statement is answered anew each time."""
_KEY: Final = "lake.request"
_START: Final = "http.response.start"
_BODY: Final = "http.response.body"
_WANTED: Final = (b"accept", b"authorization", b"content-type")


class App(Protocol):
    """An application of ASGI."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        ...


@dataclass(frozen=True)
class Remembered:
    """An answer, and the snapshots that it has read.

    Attributes:
        start: Its status and headers, as ASGI sends them.
        body: Its bytes.
        etag: Of the snapshots.
        snapshots: By table.
    """

    start: Message
    body: bytes
    etag: bytes
    snapshots: Mapping[str, int]

    @classmethod
    def of(cls, response: Response, snapshots: Mapping[str, int]) -> "Remembered":
        """What is kept of a response."""
        headers = response.raw_headers
        start = {"type": _START, "status": response.status_code, "headers": headers}
        return cls(start, bytes(response.body), dict(headers)[b"etag"], snapshots)


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

    def find(self, key: Key, mark: Mark | None) -> Remembered | None:
        """The answer to a request, if nothing newer than what it has read is published.

        Args:
            key: Of the request.
            mark: What the lake says at this moment.
        """
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
        return found if self.lake.are_newest(found.snapshots, mark) else None

    def remember(
        self, request: Request, response: Response, tables: Mapping[str, PublishedTable]
    ) -> Response:
        """Keep an answer for the next one who asks the same; returns it."""
        key = request.scope.get(_KEY)
        if key is None or len(response.body) > LARGEST_BYTES:
            return response
        snapshots = {name: table.snapshot_id for name, table in tables.items()}
        # None of the past, which is asked for seldom.
        if self.lake.are_newest(snapshots, self.lake.mark()):
            self._keep(key, Remembered.of(response, snapshots))
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


class AnswersFirst:
    """Answers what is remembered before the application sees it, and hands on everything else.

    It stands outside of FastAPI, whose own work for a request is as much again.
    """

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
        self._marks = _Marks(answers.lake)
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
        answer = self._answers.find(key, self._marks.now()) or await self._from_another(key)
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
        return self._answers.find(key, self._marks.now())

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


class _Marks:
    """The mark of a lake, which is asked for once for all requests of one turn of an event loop.

    Whatever runs in the turn was scheduled before the mark is asked for, so its request had arrived
    by then: no answer is older than the request that it is given to.
    """

    def __init__(self, lake: OpenLake) -> None:
        self._lake = lake
        self._asked: tuple[asyncio.AbstractEventLoop, Mark | None] | None = None

    def now(self) -> Mark | None:
        """The mark; to be called by what the running loop runs."""
        loop = asyncio.get_running_loop()
        asked = self._asked
        if asked is None or asked[0] is not loop:
            asked = self._asked = loop, self._lake.mark()
            loop.call_soon(self._forget)
        return asked[1]

    def _forget(self) -> None:
        self._asked = None


def _key(scope: Scope, messages: list[Message]) -> tuple[Key | None, dict[bytes, bytes]]:
    """What an answer depends on besides the snapshots; None without a whole, short body."""
    headers, body = dict(scope["headers"]), b""
    for message in messages:
        body = message.get("body", b"")
        is_whole = message["type"] == "http.request" and not message.get("more_body")
        if not is_whole or len(body) > LONGEST_BODY:
            return None, headers
    asked = (headers.get(name) for name in _WANTED)
    return (scope["method"], scope["path"], scope["query_string"], body, *asked), headers


def _again(messages: list[Message], receive: Receive) -> Receive:
    """What was received already, and then what comes."""

    async def next_message() -> Message:
        return messages.pop(0) if messages else await receive()

    return next_message


async def _send(answer: Remembered, known: bytes, send: Send) -> None:
    if known and answer.etag in known:
        await send(_unchanged(answer))
        await send({"type": _BODY, "body": b""})
        return
    await send(answer.start)
    await send({"type": _BODY, "body": answer.body})


def _unchanged(answer: Remembered) -> Message:
    """304, with the headers that :func:`not_modified` sends."""
    headers = [each for each in answer.start["headers"] if each[0] in (b"etag", b"vary")]
    return {"type": _START, "status": HTTPStatus.NOT_MODIFIED.value, "headers": headers}
