"""External tables in Glue, through which an audit reads what was written and is not published.

They are made and dropped by Glue's own interface, which answers at once; as statements of Athena
they would be queries that have to be waited for.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from botocore.exceptions import ClientError

from pipeline_assets.engines.standard_sql import identifier
from spark_resources.runners.polling import Retries

PREFIX: Final = "audit_"
CREATED: Final = "pipeline_created"
_FORMAT: Final = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    },
}
_TYPES: Final = {"long": "bigint"}
Tidy: TypeAlias = Callable[[Callable[[], None]], None]
"""Cleans up; what fails is told to people, and nothing else fails with it."""


@dataclass(frozen=True)
class AuditTables:
    """The external tables of audits, in a database of their own.

    Attributes:
        glue: A boto3 client.
        database: The database; it is created where it is missing.
        left_after: A table of this age belongs to an attempt that was killed, and is dropped.
    """

    glue: Any
    database: str
    left_after: timedelta = timedelta(days=1)

    @contextmanager
    def over(
        self, token: str, uri: str, schema: Mapping[str, str], retries: Retries, tidy: Tidy
    ) -> Iterator[str]:
        """A table of the Parquet files below a prefix, for as long as the context lasts.

        Args:
            token: Of the attempt that wrote them.
            uri: The prefix.
            schema: Its columns.
            retries: Repeats calls of Glue.
            tidy: Drops the table, and survives it if that cannot be done: a later run does.

        Yields:
            The table's name for SQL.
        """
        name = PREFIX + token
        retries(lambda: self._create(name, uri, schema))
        try:
            yield f"{identifier(self.database)}.{identifier(name)}"
        finally:
            tidy(lambda: self._drop(name))

    def drop_left(self, now: datetime | None = None) -> None:
        """Drop tables that processes have left which were killed during their audits."""
        before = (now or datetime.now(UTC)) - self.left_after
        pages = self.glue.get_paginator("get_tables").paginate(DatabaseName=self.database)
        tables = [table for page in pages for table in page["TableList"]]
        for name in [it["Name"] for it in tables if _is_older(it, before)]:
            self._drop(name)

    def _create(self, name: str, uri: str, schema: Mapping[str, str]) -> None:
        columns = [{"Name": it, "Type": hive_type(type_)} for it, type_ in schema.items()]
        table = {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {
                "EXTERNAL": "TRUE",
                "classification": "parquet",
                CREATED: datetime.now(UTC).isoformat(),
            },
            "StorageDescriptor": {"Columns": columns, "Location": f"{uri}/", **_FORMAT},
        }
        with _unless("AlreadyExistsException"):
            self.glue.create_database(DatabaseInput={"Name": self.database})
        # A process that was killed may have left the same table of the same attempt.
        with _unless("AlreadyExistsException"):
            self.glue.create_table(DatabaseName=self.database, TableInput=table)

    def _drop(self, name: str) -> None:
        with _unless("EntityNotFoundException"):
            self.glue.delete_table(DatabaseName=self.database, Name=name)


def hive_type(name: str) -> str:
    """Hive's name of an Iceberg type.

    >>> hive_type("list<long>"), hive_type("decimal(18,5)")
    ('array<bigint>', 'decimal(18,5)')
    """
    if name.startswith("list<"):
        return f"array<{hive_type(name.removeprefix('list<').removesuffix('>'))}>"
    return _TYPES.get(name, name)


def _is_older(table: Mapping[str, Any], moment: datetime) -> bool:
    """Whether an audit has made a table before a moment; other tables are none of our business."""
    created = table.get("Parameters", {}).get(CREATED)
    return created is not None and datetime.fromisoformat(created) < moment


@contextmanager
def _unless(code: str) -> Iterator[None]:
    """Let an error pass that says that there is nothing to do."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != code:
            raise
