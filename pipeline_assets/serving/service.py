"""The pure core of the API: a request becomes a page of rows of named snapshots.

It knows nothing of HTTP, so that a web server and an AWS Lambda function give the same answers.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import pyarrow as pa

from pipeline_assets.api_token import EVERY_TABLE
from pipeline_assets.errors import PipelineError
from pipeline_assets.reading.open_lake import OpenLake, UnknownTableError
from pipeline_assets.reading.published_table import PublishedTable
from pipeline_assets.reading.sandbox import MemoryLimitError, Sandboxes
from pipeline_assets.reading.statement import tables_of

Parameters = Sequence[Any] | Mapping[str, Any]


class ForbiddenError(PipelineError):
    """The caller may not read a table."""


class PageTokenError(PipelineError):
    """A page token was not given out by this service for this statement."""


@dataclass(frozen=True)
class Limits:
    """What one answer may take.

    Attributes:
        seconds: Until its last row is read.
        rows: The most rows of a page.
        bytes: The most bytes of a page, as Arrow counts them.
    """

    seconds: float = 30
    rows: int = 10_000
    bytes: int = 64 << 20


@dataclass(frozen=True)
class Query:
    """A statement and how much of its answer is wanted.

    Attributes:
        sql: A single SELECT.
        parameters: Values of its ``?``, or by name of its ``$name``.
        limit: Rows of a page; None for as many as the limits allow.
        as_of: Read what was published at this moment; None for now.
        page: The token of an earlier page, which continues it over the same snapshots.
        tables: Globs over the names of the tables that the caller may read.
    """

    sql: str
    parameters: Parameters = ()
    limit: int | None = None
    as_of: datetime | str | None = None
    page: str | None = None
    tables: tuple[str, ...] = EVERY_TABLE


@dataclass(frozen=True)
class Page:
    """Some rows of an answer.

    Attributes:
        rows: The rows.
        versions: The snapshot of each table that was read.
        next: Token of the next page; None on the last one.
    """

    rows: pa.Table
    versions: tuple[PublishedTable, ...]
    next: str | None

    @property
    def etag(self) -> str:
        """Equal for equal snapshots: the same request gives the same rows."""
        return etag_of(self.versions)


@dataclass(frozen=True)
class QueryService:
    """Answers statements over a lake.

    Attributes:
        lake: The lake.
        sandboxes: Where statements run.
        limits: What an answer may take.
    """

    lake: OpenLake
    sandboxes: Sandboxes
    limits: Limits = field(default_factory=Limits)

    def answer(self, query: Query, versions: Mapping[str, PublishedTable] | None = None) -> Page:
        """Execute a statement, or continue it.

        Args:
            query: The statement.
            versions: What :meth:`versions` has found for it, if somebody has asked already.

        Raises:
            ForbiddenError: The caller may not read a table that it names.
            PageTokenError: The token belongs to another statement.
            PipelineError: There is no such table, or the statement cannot be executed within the
                limits.
        """
        tables = self.versions(query) if versions is None else versions
        start, _ = _position(query)
        wanted = min(query.limit or self.limits.rows, self.limits.rows)
        running = self.sandboxes.run(query.sql, query.parameters, tables, self.limits.seconds)
        with running as batches:
            rows, is_cut = _page(batches, start, wanted, self.limits.bytes)
        read = tuple(tables.values())
        token = _token(query, read, start + len(rows)) if is_cut else None
        return Page(rows, read, token)

    def versions(self, query: Query) -> dict[str, PublishedTable]:
        """The snapshot of each table that :meth:`answer` would read; no row is read.

        Raises:
            PipelineError: As :meth:`answer`.
        """
        _, snapshots = _position(query)
        names = tables_of(query.sql)
        self.require_allowed(names, query)
        return {name: self._table(name, snapshots, query) for name in sorted(names)}

    def require_allowed(self, names: Iterable[str], query: Query) -> None:
        """Refuse what the caller may not read.

        Raises:
            ForbiddenError: A table is none of his.
        """
        for name in names:
            if not is_allowed(name, query.tables):
                raise ForbiddenError(f"This token does not allow to read {name}")

    def _table(self, name: str, snapshots: Mapping[str, int], query: Query) -> PublishedTable:
        try:
            if name in snapshots:
                return self.lake.table(name, snapshot=snapshots[name])
            return self.lake.table(name, as_of=query.as_of)
        except UnknownTableError as error:
            allowed = [each for each in self.lake.tables() if is_allowed(each, query.tables)]
            raise UnknownTableError(name, allowed) from error


def etag_of(versions: Iterable[PublishedTable]) -> str:
    """A short name of some snapshots."""
    named = json.dumps(sorted((table.name, table.snapshot_id) for table in versions))
    return hashlib.sha256(named.encode()).hexdigest()[:32]


def is_allowed(name: str, globs: Iterable[str]) -> bool:
    """Whether one of the globs matches the name of a table."""
    return any(fnmatchcase(name, glob) for glob in globs)


def _page(
    batches: Iterator[pa.RecordBatch], start: int, wanted: int, most_bytes: int
) -> tuple[pa.Table, bool]:
    """The rows from a place on, and whether more follow.

    Raises:
        MemoryLimitError: A single row is larger than a page may be.
    """
    found: list[pa.RecordBatch] = []
    count = size = 0
    schema = pa.schema([])
    for batch in batches:
        schema = batch.schema
        skipped = min(start, len(batch))
        start -= skipped
        rest = batch.slice(skipped, wanted + 1 - count)
        fitting = min(len(rest), wanted - count, _fitting(rest, most_bytes - size))
        if fitting:
            found.append(rest.slice(0, fitting))
            count += fitting
            size += found[-1].nbytes
        if fitting < len(rest):
            if not count:
                raise MemoryLimitError(f"One row has more than {most_bytes:,} bytes")
            return pa.Table.from_batches(found, schema), True
    return pa.Table.from_batches(found, schema), False


def _fitting(batch: pa.RecordBatch, room: int) -> int:
    """How many of a batch's first rows fit into so many bytes."""
    fitting = len(batch)
    while fitting and batch.slice(0, fitting).nbytes > room:
        fitting //= 2
    return fitting


def _token(query: Query, versions: Iterable[PublishedTable], start: int) -> str:
    """Names the snapshots, so that the next page is one of the same answer."""
    content = {
        "of": _fingerprint(query),
        "start": start,
        "snapshots": {table.name: table.snapshot_id for table in versions},
    }
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def _position(query: Query) -> tuple[int, Mapping[str, int]]:
    """The first row of the page, and the snapshot of each table where a token names them."""
    if query.page is None:
        return 0, {}
    try:
        content = json.loads(base64.urlsafe_b64decode(query.page))
        start, of = int(content["start"]), str(content["of"])
        snapshots = {str(name): int(id_) for name, id_ in content["snapshots"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PageTokenError("This is no page token") from error
    if of != _fingerprint(query) or start < 0:
        raise PageTokenError("This page token belongs to another statement")
    return start, snapshots


def _fingerprint(query: Query) -> str:
    parameters = query.parameters
    named = dict(parameters) if isinstance(parameters, Mapping) else list(parameters)
    said = json.dumps([query.sql, named], default=str, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:32]
