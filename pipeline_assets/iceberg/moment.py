"""The lake at one moment, for a command that reads: each table is loaded at most once.

A table is loaded when it is first asked for. What is published later is not seen, so that whoever
publishes, or wants to see what was published meanwhile, takes a new moment or the lake itself.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from pyiceberg.table import Table

from pipeline_assets.dataset.values.table import Readable, TableName
from pipeline_assets.iceberg.agreement import as_new_as_storage, load
from pipeline_assets.iceberg.catalog import one_line_errors, sqlite_path
from pipeline_assets.iceberg.catalogs.sqlite_catalog import names_of_tables, reader_of
from pipeline_assets.iceberg.tables import STATISTICS, Lake
from pipeline_assets.storage.environments import own_namespace


@dataclass(frozen=True)
class Moment(Lake):
    """The published tables as they are when each of them is first asked for."""

    _loaded: dict[str, Table | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def load(self, table: Readable) -> Table | None:
        """As :meth:`.Lake.load`, but only the first time that a table is asked for."""
        name = str(table)
        if name not in self._loaded:
            self._loaded[name] = load(self.access, table, reader_of(self.access))
        return self._loaded[name]

    def require_newest(self, tables: Iterable[Readable]) -> None:
        """As :meth:`.Lake.require_newest`, of what is loaded of the tables."""
        for table in tables:
            with one_line_errors(f"read {table}"):
                newest = as_new_as_storage(self.access, table, self.load(table))
                self._loaded[str(table)] = newest

    def published(self, namespaces: Collection[str] | None = None) -> list[TableName]:
        """As :meth:`.Lake.published`; a SQLite catalog is asked without SQLAlchemy."""
        path = sqlite_path(self.access.uri)
        if path is None:
            return super().published(namespaces)
        if namespaces is None:
            self.require_newest([STATISTICS])
        return [
            TableName(own, name)
            for namespace, name in names_of_tables(path)
            if (own := own_namespace(self.access.warehouse, namespace)) is not None
            and (namespaces is None or own.casefold() in namespaces)
        ]
