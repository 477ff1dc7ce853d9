"""How the double of Athena runs a statement: on DuckDB, over what moto's S3 and Glue hold."""

import io
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.expressions import AlwaysTrue, BooleanExpression, In
from sqlglot import exp

from pipeline_assets_tests.doubles.emr import KEYS
from spark_resources.runners.staging import split

MOST_PARTITIONS = 100
ROWS_OF_A_FILE = 1000
_COMMENT = re.compile(r"\n--[^\n]*$")
_UNLOAD = re.compile(r"UNLOAD \((?P<sql>.*)\) TO '(?P<uri>[^']*)' WITH \((?P<options>.*)\)", re.S)
_PARTITIONED = re.compile(r"partitioned_by = ARRAY\['([^']*)'\]")
_TYPES = {
    "BOOLEAN": "boolean",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "HUGEINT": "bigint",
    "FLOAT": "float",
    "DOUBLE": "double",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
}


def glue_catalog(endpoint: str) -> Catalog:
    """The tables that moto's Glue knows."""
    keys = {
        "region": KEYS["region_name"],
        "access-key-id": KEYS["aws_access_key_id"],
        "secret-access-key": KEYS["aws_secret_access_key"],
        "endpoint": endpoint,
    }
    both = {f"{service}.{name}": it for service in ("glue", "s3") for name, it in keys.items()}
    return load_catalog("glue", type="glue", **both)


class Refusal(Exception):  # noqa: N818 - it is what Athena says, not a fault of this program
    """Athena fails a query with these words."""

    def __init__(self, reason: str, *, retryable: bool = False) -> None:
        super().__init__(reason)
        self.retryable = retryable


@dataclass
class Answer:
    """What a query has said: rows as texts, or a manifest, and what it has read."""

    columns: list[tuple[str, str]] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)
    manifest: str | None = None
    scanned: int = 0


@dataclass
class Sql:
    """One statement's execution."""

    catalog: Callable[[], Catalog]
    s3: Any
    glue: Any
    manifest_delay: float = 0

    def execute(self, statement: str, location: str, query_id: str) -> Answer:
        """Run a statement.

        Raises:
            Refusal: Athena would fail it.
        """
        text = _COMMENT.sub("", statement)
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            # SQLGlot leaves the name of this function of Trino as it is.
            connection.execute("CREATE MACRO is_infinite(x) AS isinf(x)")
            if unload := _UNLOAD.fullmatch(text):
                sql, scanned = self._bound(connection, unload["sql"])
                rows = connection.execute(sql).to_arrow_table()
                folder = _PARTITIONED.search(unload["options"])
                files = self._unload(rows, unload["uri"], folder[1] if folder else None)
                manifest = self._manifest(files, f"{location}{query_id}-manifest.csv")
                return Answer(manifest=manifest, scanned=scanned)
            sql, scanned = self._bound(connection, text)
            answer = connection.execute(sql)
            columns = [(name, _athena_type(str(type_))) for name, type_, *_ in answer.description]
            rows = [[_text(value) for value in row] for row in answer.fetchall()]
            return Answer(columns, rows, scanned=scanned)

    def _bound(self, connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, int]:
        """The statement in DuckDB's SQL, over tables that it has, and the bytes it will read."""
        tree = sqlglot.parse_one(sql, dialect="trino")
        sizes: dict[str, dict[str, int]] = {}
        for number, table in enumerate(list(tree.find_all(exp.Table))):
            if not table.db:
                continue
            name = f"stored_{number}"
            version = table.args.get("version")
            if version is None:
                rows, sizes[name] = self._external(table.db, table.name)
            else:
                snapshot = int(version.expression.name)
                rows, sizes[name] = self._snapshot(table, snapshot)
            connection.register(name, rows)
            alias = table.args.get("alias")
            table.replace(exp.Table(this=exp.to_identifier(name), alias=alias))
        translated = tree.sql(dialect="duckdb")
        return translated, _scanned(connection, translated, sizes)

    def _snapshot(self, table: exp.Table, snapshot: int) -> tuple[pa.Table, dict[str, int]]:
        iceberg = self.catalog().load_table((table.db, table.name))
        scan = iceberg.scan(_filter(table), snapshot_id=snapshot)
        sizes: dict[str, int] = {}
        for task in scan.plan_files():
            for id_, size in (task.file.column_sizes or {}).items():
                name = iceberg.schema().find_column_name(id_) or ""
                top = name.partition(".")[0]
                sizes[top] = sizes.get(top, 0) + size
        return scan.to_arrow(), sizes

    def _external(self, database: str, name: str) -> tuple[pa.Table, dict[str, int]]:
        table = self.glue.get_table(DatabaseName=database, Name=name)["Table"]
        columns = [it["Name"] for it in table["StorageDescriptor"]["Columns"]]
        tables, sizes = [], dict.fromkeys(columns, 0)
        for uri in self._listed(table["StorageDescriptor"]["Location"]):
            bucket, key = split(uri)
            content = io.BytesIO(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            file = pq.ParquetFile(content)
            tables.append(file.read(columns=columns))
            for group in range(file.metadata.num_row_groups):
                for at in range(file.metadata.num_columns):
                    chunk = file.metadata.row_group(group).column(at)
                    top = chunk.path_in_schema.partition(".")[0]
                    sizes[top] = sizes.get(top, 0) + chunk.total_compressed_size
        declared = table["StorageDescriptor"]["Columns"]
        schema = pa.schema([(it["Name"], _arrow_type(it["Type"])) for it in declared])
        return (pa.concat_tables(tables) if tables else schema.empty_table()), sizes

    def _listed(self, prefix: str) -> Iterator[str]:
        bucket, key = split(prefix)
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        for page in pages:
            yield from (f"s3://{bucket}/{it['Key']}" for it in page.get("Contents", []))

    def _unload(self, rows: pa.Table, uri: str, folder: str | None) -> list[str]:
        if any(self._listed(uri)):
            raise Refusal(f"HIVE_PATH_ALREADY_EXISTS: Target directory already exists: {uri}")
        if folder is None:
            return list(self._files(rows, uri)) if rows.num_rows else []
        keys = rows.column(folder).unique().to_pylist()
        if len(keys) > MOST_PARTITIONS:
            raise Refusal("HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers")
        written: list[str] = []
        for key in keys:
            chosen = [value == key for value in rows.column(folder).to_pylist()]
            part = rows.filter(pa.array(chosen)).drop_columns([folder])
            value = "__HIVE_DEFAULT_PARTITION__" if key is None else quote(key, safe=" .-")
            written += self._files(part, f"{uri}{folder}={value}/")
        return written

    def _files(self, rows: pa.Table, folder: str) -> Iterator[str]:
        for at in range(0, rows.num_rows, ROWS_OF_A_FILE):
            content = io.BytesIO()
            pq.write_table(rows.slice(at, ROWS_OF_A_FILE), content, compression="zstd")
            bucket, key = split(f"{folder}{uuid4().hex}")
            self.s3.put_object(Bucket=bucket, Key=key, Body=content.getvalue())
            yield f"s3://{bucket}/{key}"

    def _manifest(self, files: list[str], uri: str) -> str | None:
        if not files:
            return None
        bucket, key = split(uri)
        content = "\n".join(files).encode()
        request = {"Bucket": bucket, "Key": key, "Body": content}
        put = threading.Timer(self.manifest_delay, self.s3.put_object, kwargs=request)
        put.start()
        if not self.manifest_delay:
            put.join()
        return uri


def _filter(table: exp.Table) -> BooleanExpression:
    """The partitions that a pinned table is restricted to."""
    select = table.find_ancestor(exp.Select)
    where = select.args.get("where") if select else None
    if where is None or not isinstance(where.this, exp.In):
        return AlwaysTrue()
    values = {it.find(exp.Literal).name for it in where.this.expressions}
    return In(term=where.this.this.name, literals=values)


def _scanned(
    connection: duckdb.DuckDBPyConnection, sql: str, sizes: dict[str, dict[str, int]]
) -> int:
    """The bytes of the columns that DuckDB's plan reads of each table."""
    plan = connection.execute(f"EXPLAIN {sql}").fetchall()[0][1]
    used = {name for columns in sizes.values() for name in columns if name in plan}
    return sum(size for columns in sizes.values() for name, size in columns.items() if name in used)


def _athena_type(type_: str) -> str:
    if type_.startswith("DECIMAL"):
        return "decimal"
    if type_.endswith("[]"):
        return "array"
    return _TYPES.get(type_, "varchar")


def _arrow_type(hive: str) -> pa.DataType:
    if hive.startswith("array<"):
        return pa.list_(_arrow_type(hive[6:-1]))
    if hive.startswith("decimal"):
        precision, scale = hive[8:-1].split(",")
        return pa.decimal128(int(precision), int(scale))
    names = {"int": pa.int32(), "bigint": pa.int64(), "float": pa.float32(), "double": pa.float64()}
    names |= {"boolean": pa.bool_(), "date": pa.date32(), "binary": pa.binary()}
    return names.get(hive, pa.string())


def _text(value: Any) -> str | None:  # noqa: ANN401 - any value of a result
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(value), str(value))
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)
