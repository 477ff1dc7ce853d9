"""Statements that Athena executes, for lakes too large for the machine that serves.

A statement is parsed and allowed as everywhere, then translated, with its parameters as literals
and each table pinned to its snapshot. Athena takes as long as it takes: who asks gets an address to
ask again at, and the answer is kept there by Athena.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import sqlglot
from botocore.exceptions import ClientError
from sqlglot import exp

from pipeline_assets.engines.athena.queries import Queries, token_of
from pipeline_assets.engines.standard_sql import identifier
from pipeline_assets.errors import PipelineError, UnknownNameError
from pipeline_assets.reading.published_table import PublishedTable
from pipeline_assets.serving.service import PageTokenError, Parameters, Query, QueryService
from spark_resources.runners.service import RemoteJob

POLL_SECONDS: Final = 0.2
_ROLE: Final = "api"
_PLACE: Final = re.compile(r"s3a?://\S+")
_FRESH_SECONDS: Final = 3_600
"""For so long the same statement over the same snapshots is the same query."""


@dataclass(frozen=True)
class LongQuery:
    """A query of Athena that the API has started.

    Attributes:
        job: The query.
        snapshots: What it reads, by table.
    """

    job: RemoteJob
    snapshots: Mapping[str, int]

    @property
    def token(self) -> str:
        """The part of its address that names it."""
        return self.job.token.partition("-")[0]


@dataclass(frozen=True)
class LongQueries:
    """The queries that Athena executes for the API.

    Attributes:
        queries: Athena.
        service: Allows statements, and finds the snapshots that they read.
        patience: How many seconds a request waits before it is told to ask again.
    """

    queries: Queries
    service: QueryService
    patience: float = 2.0

    def start(self, query: Query) -> LongQuery:
        """Start a statement, unless the same one over the same snapshots is under way.

        Raises:
            PipelineError: It is not allowed, or Athena has no words for it.
        """
        tables = self.service.versions(query)
        snapshots = {name: table.snapshot_id for name, table in tables.items()}
        sql = translated(query.sql, query.parameters, tables)
        hour = int(time.time() // _FRESH_SECONDS)
        attempt = hashlib.sha256(json.dumps([sql, hour]).encode()).hexdigest()[:32]
        self.queries.staging.put(self._record(attempt), json.dumps(snapshots).encode())
        return LongQuery(self.queries.start(token_of(attempt, _ROLE), sql, "the API"), snapshots)

    def find(self, token: str, query: Query) -> LongQuery:
        """A query that was started, by this process or by another one.

        Args:
            token: Of the query.
            query: Who asks.

        Raises:
            UnknownNameError: There is none.
            ForbiddenError: It reads a table that the caller may not read.
        """
        is_token = len(token) == 32 and token.isalnum()
        content = self.queries.staging.read(self._record(token)) if is_token else None
        job = self.queries.find(token_of(token, _ROLE)) if content else None
        if content is None or job is None:
            raise UnknownNameError("There is no such query; it may be too long ago")
        snapshots = json.loads(content)
        self.service.require_allowed(snapshots, query)
        return LongQuery(job, snapshots)

    def is_done(self, query: LongQuery) -> bool:
        """Whether it has succeeded, after waiting for it a little.

        Raises:
            PipelineError: It has failed.
        """
        deadline = time.monotonic() + self.patience
        while True:
            status = self.queries.status(query.job)
            if status.outcome == "failed":
                reason = _PLACE.sub("a file of the lake", status.reason)
                raise PipelineError(f"Athena has not answered: {reason}")
            if status.outcome == "succeeded" or time.monotonic() > deadline:
                return status.outcome == "succeeded"
            time.sleep(POLL_SECONDS)

    def rows(self, query: LongQuery, wanted: int, place: str | None) -> tuple[pa.Table, str | None]:
        """The rows of a page, and the place of the next one, if more follow.

        Args:
            query: It is done.
            wanted: How many rows.
            place: What the page before has named; None for the first page.

        Raises:
            PageTokenError: Athena has given out no such place for this query.
        """
        try:
            found, next_ = self.queries.page(query.job, wanted, place)
        except ClientError as error:
            if place and error.response["Error"]["Code"] == "InvalidRequestException":
                raise PageTokenError("This is no page token of this query") from error
            raise
        return pa.Table.from_pylist(found), next_

    def cancel(self, query: LongQuery) -> None:
        """Have Athena stop a query; one that has ended stays as it is."""
        self.queries.cancel(query.job)

    def tables(self, query: LongQuery) -> list[PublishedTable]:
        """The snapshots that a query reads."""
        lake = self.service.lake
        return [lake.table(name, snapshot=id_) for name, id_ in query.snapshots.items()]

    def _record(self, attempt: str) -> str:
        folder = self.queries.staging.job_uri(attempt).rpartition("/")[0]
        return f"{folder}/snapshots.json"


def translated(sql: str, parameters: Parameters, tables: Mapping[str, PublishedTable]) -> str:
    """A statement of DuckDB as one of Athena, over exactly these snapshots.

    Raises:
        PipelineError: A parameter is missing, or SQLGlot cannot read the statement.
    """
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
    except sqlglot.errors.ParseError as error:
        raise PipelineError("Athena has no words for this statement") from error
    tree = tree.transform(_Literals(parameters).of)
    ctes = []
    for name, table in tables.items():
        for node in [it for it in tree.find_all(exp.Table) if f"{it.db}.{it.name}" == name]:
            node.replace(_named(name, node))
        ctes.append(f"{identifier(name)} AS ({_snapshot(table)})")
    said = tree.sql(dialect="athena")
    if not ctes:
        return said
    joined = ", ".join(ctes)
    for begin in ("WITH RECURSIVE ", "WITH "):
        if said.startswith(begin):
            return f"{begin}{joined}, {said.removeprefix(begin)}"
    return f"WITH {joined} {said}"


def _named(name: str, node: exp.Table) -> exp.Table:
    """A table under the name of its snapshot, and its own name for columns that bear it."""
    alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name, quoted=True))
    return exp.Table(this=exp.to_identifier(name, quoted=True), alias=alias.copy())


def _snapshot(table: PublishedTable) -> str:
    columns = ", ".join(identifier(column.name) for column in table.columns)
    place = ".".join(map(identifier, table.name.split(".")))
    # Names are quoted, and the number is a number.
    return f"SELECT {columns} FROM {place} FOR VERSION AS OF {table.snapshot_id}"  # noqa: S608


class _Literals:
    """Puts the values of parameters into a statement."""

    def __init__(self, parameters: Parameters) -> None:
        self._named = parameters if isinstance(parameters, Mapping) else {}
        self._placed: Sequence[Any] = () if isinstance(parameters, Mapping) else parameters
        self._next = 0

    def of(self, node: exp.Expr) -> exp.Expr:
        """The literal for a parameter, and anything else as it is."""
        if isinstance(node, exp.Placeholder) and node.name in ("", "?"):
            self._next += 1
            return self._literal(self._next)
        if isinstance(node, exp.Parameter | exp.Placeholder):
            return self._literal(node.name)
        if isinstance(node, exp.Column) and node.db:
            node.set("db", None)  # the snapshot has the table's own name, and no domain
        return node

    def _literal(self, name: int | str) -> exp.Expr:
        placed = {str(number + 1): value for number, value in enumerate(self._placed)}
        values = {**placed, **self._named}
        if str(name) not in values:
            raise PipelineError(f"There is no value for the parameter {name}")
        return exp.convert(values[str(name)])
