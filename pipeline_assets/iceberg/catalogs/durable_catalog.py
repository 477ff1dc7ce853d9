"""A SQL catalog whose tables outlive a power cut, if they lie in a folder.

The database brings its own commit to the disk. What the commit names has to be there before.
"""

from typing import Final

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io import FileIO
from pyiceberg.table.metadata import TableMetadata
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext

from pipeline_assets.iceberg.catalog import name_damage
from pipeline_assets.storage.durability import persist_files

_LOCAL: Final = "/"


class DurableSqlCatalog(SqlCatalog):
    """pyiceberg's SQL catalog, which persists the metadata of a commit before it names it."""

    def _init_catalog(self) -> None:
        event.listen(self.engine, "handle_error", _name_damage)
        super()._init_catalog()

    @staticmethod
    def _write_metadata(metadata: TableMetadata, io: FileIO, metadata_path: str) -> None:
        SqlCatalog._write_metadata(metadata, io, metadata_path)
        if metadata_path.startswith(_LOCAL):
            persist_files([metadata_path, *_new_files(metadata, io)])


def _name_damage(context: ExceptionContext) -> None:
    where = context.engine.url.database if context.engine else None
    name_damage(context.original_exception, where)


def _new_files(metadata: TableMetadata, io: FileIO) -> list[str]:
    """The manifests, and their list, that the present snapshot has added."""
    snapshot = metadata.current_snapshot()
    if snapshot is None:
        return []
    added = [
        manifest.manifest_path
        for manifest in snapshot.manifests(io)
        if manifest.added_snapshot_id == snapshot.snapshot_id
    ]
    return [snapshot.manifest_list, *added]
