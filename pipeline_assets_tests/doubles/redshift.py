"""A Redshift that behaves, and misbehaves on demand: its SQL over the Postgres of the tests.

Every statement has to be Redshift's by SQLGlot's grammar. What Postgres lacks is done here: a COPY
reads the Parquet objects that its manifest names, as strictly as Redshift does, and the clauses of
sort and distribution are left out. The Data API is a server whose statements run on their own while
they are asked for.
"""

import io
import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a small name
from sqlglot import exp

from pipeline_assets.dataset.values.dsn import SecretDsn, keyword_dsn
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import split_s3_uri
from pipeline_assets_tests.doubles.aws_json import RefusedError, served

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

KEYS: Final = re.compile(r"\s(DISTSTYLE \w+|DISTKEY \([^)]*\)|(COMPOUND )?SORTKEY \([^)]*\))")
COPY: Final = re.compile(
    r"COPY (?P<table>.+?) FROM '(?P<manifest>[^']+)' IAM_ROLE (?P<role>default|'[^']+') "
    r"FORMAT AS PARQUET MANIFEST"
)
COMMANDS: Final = ("LOCK ",)
"""Redshift's own, for which SQLGlot has no grammar."""
SYSTEM: Final = """
    CREATE SCHEMA IF NOT EXISTS public;
    CREATE OR REPLACE FUNCTION public.getdate() RETURNS timestamp LANGUAGE sql
        AS $$ SELECT now() AT TIME ZONE 'UTC' $$;
    CREATE TABLE IF NOT EXISTS public.sys_load_error_detail (table_id bigint, start_time timestamp,
        file_name text, line_number bigint, column_name text, error_message text);"""
COPIED: Final = {
    "boolean": pa.bool_(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "date": pa.date32(),
    "timestamp without time zone": pa.timestamp("us"),
    "character varying(65535)": pa.string(),
}


@dataclass
class Faults:
    """What goes wrong next.

    Attributes:
        refusals: Pairs of a pattern and an error: the first statement that matches fails by it.
        lost: A pattern: after the first statement that matches, the connection is gone.
        throttled: How many of the next requests to the Data API are refused for now.
        unanswered: How many starts of statements run, and their answers are lost.
        slow: A pattern: a statement that matches runs until it is cancelled.
        unloadable: A column and a message: the next COPY fails, and Redshift logs them.
        forgets: How many rows the next COPY leaves out.
    """

    refusals: list[tuple[str, str]] = field(default_factory=list)
    lost: str | None = None
    throttled: int = 0
    unanswered: int = 0
    slow: str | None = None
    unloadable: tuple[str, str] | None = None
    forgets: int = 0

    def refusal(self, sql: str) -> str | None:
        for number, (pattern, error) in enumerate(self.refusals):
            if re.search(pattern, sql):
                del self.refusals[number]
                return error
        return None


@dataclass
class RedshiftDouble:
    """The warehouse of a test.

    Attributes:
        dsn: The Postgres under it.
        store: Where COPY reads.
        statements: All that it was asked.
        faults: What goes wrong.
    """

    dsn: SecretDsn
    store: S3Store
    statements: list[str] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)

    @property
    def client(self) -> "S3Client":
        return self.store.client

    def cursor(self) -> type[Cursor]:
        return type("RedshiftCursor", (_RedshiftCursor,), {"redshift": self})

    def connect(self) -> Any:  # noqa: ANN401 - psycopg2 has no types
        return REAL_CONNECT(keyword_dsn(self.dsn.options), cursor_factory=self.cursor())

    @property
    def wire_dsn(self) -> SecretDsn:
        """How a client of Redshift names it."""
        options = {"port": "5432", **self.dsn.options}
        host, user = options["host"].replace("/", "%2F"), options["user"]
        place = f"{options['dbname']}?host={host}&port={options['port']}"
        return SecretDsn(f"redshift://{user}@/{place}&iam_role=arn:aws:iam::1:role/copy")


# A backslash in a text of Redshift stands for what follows it.
REAL_CONNECT: Final = partial(psycopg2.connect, options="-c standard_conforming_strings=off")


class _RedshiftCursor(Cursor):  # type: ignore[misc]
    redshift: RedshiftDouble

    def execute(self, sql: str, *_: object) -> None:
        self.redshift.statements.append(sql)
        require_redshift(sql)
        error = self.redshift.faults.refusal(sql)
        if error:
            super().execute("DO $$ BEGIN RAISE EXCEPTION %s; END $$", (error,))
        if found := COPY.fullmatch(sql):
            _copy(self, self.redshift, found["table"], found["manifest"])
        else:
            super().execute(KEYS.sub("", sql))
        if self.redshift.faults.lost and re.search(self.redshift.faults.lost, sql):
            self.redshift.faults.lost = None
            self.connection.close()
            raise psycopg2.OperationalError("server closed the connection unexpectedly")

    def plain(self, sql: str, *parameters: object) -> None:
        super().execute(sql, parameters or None)


def require_redshift(sql: str) -> None:
    """Refuse what is no statement of Redshift."""
    if sql.startswith(COMMANDS):
        return
    (parsed,) = sqlglot.parse(sql, read="redshift")
    assert parsed is not None
    assert not isinstance(parsed, exp.Command), sql


def _copy(cursor: _RedshiftCursor, redshift: RedshiftDouble, table: str, manifest: str) -> None:
    """As Redshift's COPY: by position, of exactly the listed files, all rows or none."""
    client = redshift.client
    bucket, key = split_s3_uri(manifest)
    entries = json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())["entries"]
    cursor.plain(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
        table,
    )
    columns = cursor.fetchall()
    for entry in entries:
        bucket, key = split_s3_uri(entry["url"])
        data = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        if entry["meta"]["content_length"] != len(data):
            raise psycopg2.InternalError("The manifest names another content_length")
        rows = pq.read_table(io.BytesIO(data), coerce_int96_timestamp_unit="us")
        _require_types(cursor, redshift, table, entry["url"], columns, rows.schema)
        text = io.StringIO("".join(_lines(rows.slice(redshift.faults.forgets))))
        redshift.faults.forgets = 0
        cursor.copy_expert(f"COPY {table} FROM STDIN", text)


def _require_types(
    cursor: _RedshiftCursor,
    redshift: RedshiftDouble,
    table: str,
    uri: str,
    columns: list[tuple[str, str]],
    schema: pa.Schema,
) -> None:
    if len(columns) != len(schema):
        raise psycopg2.InternalError("The number of columns differs from the file's")
    unloadable, redshift.faults.unloadable = redshift.faults.unloadable, None
    for (name, type_), column in zip(columns, schema, strict=True):
        numeric = re.fullmatch(r"numeric\((\d+),(\d+)\)", type_)
        wanted = pa.decimal128(*map(int, numeric.groups())) if numeric else COPIED[type_]
        if column.type != wanted:
            unloadable = (name, f"incompatible Parquet schema: {type_} and {column.type}")
    if unloadable:
        cursor.plain("SELECT %s::regclass::oid::bigint", table)
        ((oid,),) = cursor.fetchall()
        _log_load_error(redshift, (oid, uri, 1, *unloadable))
        raise psycopg2.InternalError("Load failed. Check sys_load_error_detail for details.")


def _log_load_error(redshift: RedshiftDouble, error: tuple[object, ...]) -> None:
    with closing(REAL_CONNECT(keyword_dsn(redshift.dsn.options))) as connection, connection:
        connection.cursor().execute(
            "INSERT INTO public.sys_load_error_detail VALUES (%s, now(), %s, %s, %s, %s)", error
        )


def _lines(rows: pa.Table) -> Iterator[str]:
    """Rows as Postgres' COPY reads them."""
    for batch in rows.to_batches():
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield "\t".join(map(_field, row)) + "\n"


def _field(value: object) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date | bool | float | int):
        return str(value)
    escapes = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
    return re.sub(r"[\\\t\n\r]", lambda found: escapes[found[0]], str(value))


@contextmanager
def redshift(dsn: SecretDsn, store: S3Store) -> Iterator[RedshiftDouble]:
    """A Redshift in an emptied database, which clients of psycopg2 get for Postgres."""
    double = RedshiftDouble(dsn, store)
    with closing(REAL_CONNECT(keyword_dsn(dsn.options))) as connection, connection:
        connection.cursor().execute(SYSTEM)
    connect = partial(REAL_CONNECT, cursor_factory=double.cursor())
    with mock.patch.object(psycopg2, "connect", connect):
        yield double


@dataclass
class _Statement:
    sqls: list[str]
    token: str
    status: str = "SUBMITTED"
    error: str = ""
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[object, ...]] | None = None
    pid: int | None = None
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass
class DataApi:
    """The Data API of a double: statements run in threads and pass through their states."""

    redshift: RedshiftDouble
    statements: dict[str, _Statement] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, action: str, asked: dict[str, Any]) -> dict[str, Any]:
        self.requests.append(action)
        if self.redshift.faults.throttled:
            self.redshift.faults.throttled -= 1
            raise RefusedError("ThrottlingException", "Rate exceeded")
        if action in {"ExecuteStatement", "BatchExecuteStatement"}:
            return self._start(asked)
        if action == "CancelStatement":
            return self._cancel(self.statements[asked["Id"]])
        statement = self.statements[asked["Id"]]
        if action == "DescribeStatement":
            # Few questions suffice, on a slow machine too.
            statement.ended.wait(0.05)
            return _description(asked["Id"], statement)
        return _page(statement, int(asked.get("NextToken", 0)))

    def _start(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert ("WorkgroupName" in asked) != ("ClusterIdentifier" in asked)
        with self.lock:
            same = [id_ for id_, it in self.statements.items() if it.token == asked["ClientToken"]]
            id_ = same[0] if same else str(uuid.uuid4())
            if not same:
                sqls = asked.get("Sqls") or [asked["Sql"]]
                self.statements[id_] = _Statement(sqls, asked["ClientToken"])
                threading.Thread(target=self._run, args=(self.statements[id_],)).start()
        if self.redshift.faults.unanswered:
            self.redshift.faults.unanswered -= 1
            raise RefusedError("InternalServerException", "the answer is lost")
        return {"Id": id_}

    def _run(self, statement: _Statement) -> None:
        statement.status = "STARTED"
        try:
            with closing(self.redshift.connect()) as connection, connection:
                statement.pid = connection.info.backend_pid
                cursor = connection.cursor()
                slow = self.redshift.faults.slow
                if slow and any(re.search(slow, sql) for sql in statement.sqls):
                    cursor.plain("SELECT pg_sleep(60)")
                for sql in statement.sqls:
                    cursor.execute(sql)
                if cursor.description and len(statement.sqls) == 1:
                    statement.columns = [column.name for column in cursor.description]
                    statement.rows = cursor.fetchall()
            statement.status = "FINISHED"
        except psycopg2.Error as error:
            if statement.status != "ABORTED":
                says = (error.pgerror or str(error)).strip()
                statement.error, statement.status = f"ERROR: {says}", "FAILED"
        finally:
            statement.ended.set()

    def _cancel(self, statement: _Statement) -> dict[str, Any]:
        if statement.status == "STARTED":
            statement.status = "ABORTED"
            with closing(REAL_CONNECT(keyword_dsn(self.redshift.dsn.options))) as connection:
                connection.cursor().execute("SELECT pg_cancel_backend(%s)", (statement.pid,))
        return {"Status": True}


@contextmanager
def data_api(redshift: RedshiftDouble) -> Iterator[tuple[DataApi, str]]:
    """The Data API of a Redshift, and its endpoint."""
    api = DataApi(redshift)
    with served(api.answer) as endpoint:
        yield api, endpoint


def _description(id_: str, statement: _Statement) -> dict[str, Any]:
    return {
        "Id": id_,
        "Status": statement.status,
        "HasResultSet": statement.rows is not None,
        **({"Error": statement.error} if statement.error else {}),
    }


def _page(statement: _Statement, start: int, size: int = 2) -> dict[str, Any]:
    rows = statement.rows or []
    more = {"NextToken": str(start + size)} if start + size < len(rows) else {}
    return {
        "ColumnMetadata": [{"name": name} for name in statement.columns],
        "Records": [[_data_field(value) for value in row] for row in rows[start : start + size]],
        **more,
    }


def _data_field(value: object) -> dict[str, object]:
    if value is None:
        return {"isNull": True}
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int):
        return {"longValue": value}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": str(value)}
