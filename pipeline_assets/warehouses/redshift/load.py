"""The commit of a load: delete, insert and record in one transaction, which may be repeated.

Each schema has a table of the loads in it. Its row for a partition names the load that the rows
are of, and is written with them. So a process that has lost the answer to its commit asks there
what has become of it. Loads lock that table first: they take turns, in an order that Redshift sees,
while readers of the tables go on.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Final

from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.sql import identifier
from pipeline_assets.warehouses.redshift.session import ConflictError, LostError, Session
from pipeline_assets.warehouses.redshift.sql import REDSHIFT, insert_staged, literal
from pipeline_assets.warehouses.table import PartitionValue, WarehouseTable

RECORD: Final = "pipeline_loads"
"""The table of the loads of a schema."""
CREATE_RECORD: Final = """CREATE TABLE IF NOT EXISTS {record} (
    table_name character varying(127) NOT NULL, partition_value character varying(1024) NOT NULL,
    rows bigint NOT NULL, load character varying(64) NOT NULL, loaded_at timestamp NOT NULL
) DISTSTYLE AUTO SORTKEY (table_name)"""
PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before a commit that met another transaction is repeated."""


@dataclass(frozen=True)
class StagedTable:
    """A :class:`~pipeline_assets.warehouses.warehouse.StagedLoad`: rows in a table of their own.

    Attributes:
        rows: How many rows each partition gets; a partition without rows is missing.
        table: Where they are to go.
        values: The partitions that they replace.
        staging: The quoted name of the table that they are in.
        load: Identifies the load in the record.
        session: Opens a session.
        pauses: Seconds before each repetition.
    """

    rows: Mapping[PartitionValue, int]
    table: WarehouseTable
    values: Sequence[PartitionValue]
    staging: str
    load: str
    session: Callable[[], Session]
    pauses: Sequence[float] = PAUSES

    def commit(self) -> None:
        """Let readers see the new rows in place of the old ones, all at once.

        Raises:
            PipelineError: Redshift refuses, or is out of reach; the old rows stand.
        """
        for pause in (*self.pauses, None):
            try:
                with closing(self.session()) as session:
                    session.run_together(self._statements())
            except (ConflictError, LostError):
                # The answer may have been lost after the commit.
                if self._is_recorded():
                    return
                if pause is None:
                    raise
                time.sleep(pause)
            else:
                return

    def discard(self) -> None:
        """Drop the rows; changes nothing after a commit."""
        # Where that fails, a later load drops what is left.
        with suppress(PipelineError), closing(self.session()) as session:
            session.run(f"DROP TABLE IF EXISTS {self.staging}")

    def _statements(self) -> list[str]:
        record, name = record_of(self.table.schema), literal(self.table.name)
        keys = {value: literal(str(value)) for value in self.values}
        chosen = ", ".join(keys.values())
        own = f"table_name = {name} AND partition_value IN ({chosen})"
        rows = ", ".join(
            f"({name}, {key}, {self.rows.get(value, 0)}, {literal(self.load)}, GETDATE())"
            for value, key in keys.items()
        )
        return [
            f"LOCK {record}",
            REDSHIFT.delete(self.table, self.values),
            insert_staged(self.table, self.staging),
            f"DELETE FROM {record} WHERE {own}",  # noqa: S608
            f"INSERT INTO {record} VALUES {rows}",  # noqa: S608
            f"DROP TABLE {self.staging}",
        ]

    def _is_recorded(self) -> bool:
        record = record_of(self.table.schema)
        asked = f"SELECT 1 AS one FROM {record} WHERE load = {literal(self.load)} LIMIT 1"  # noqa: S608
        with closing(self.session()) as session:
            return bool(session.run(asked))


def record_of(schema: str) -> str:
    """The quoted name of a schema's table of loads."""
    return f"{identifier(schema)}.{identifier(RECORD)}"
