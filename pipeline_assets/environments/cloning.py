"""Cloning a table: metadata of its own over the data files of another table.

A clone begins with one snapshot of the table that it is cloned from. It shares the manifests and
data files of that snapshot, and nothing of its metadata names an older metadata file: Iceberg
removes those that a table's log names, and they would be production's. The records of partitions
are copied, because they are found by the place of their table.
"""

from uuid import uuid4

from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.serializers import ToOutputFile
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Snapshot, SnapshotLogEntry

from pipeline_assets.dataset.values.table import Readable
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.agreement import write_hint
from pipeline_assets.iceberg.history import OWN, current_records, summary_of_clone
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.storage.environments import shared_location


def clone(source: Table, snapshot: Snapshot, lake: Lake, table: Readable) -> None:
    """Register a clone of a table in another lake.

    Args:
        source: The table that is cloned.
        snapshot: Its present one.
        lake: Of the clone.
        table: The clone's name.

    Raises:
        OSError: The clone's metadata cannot be written.
        PipelineError: The records of the table are damaged or missing, or its catalog has chosen
            the place where it lies.
        TableAlreadyExistsError: There is a table of that name.
    """
    location, io = lake.access.place(table), source.io
    if source.location().rstrip("/") != shared_location(location):
        raise PipelineError(
            f"{table} lies at {source.location()}, where its catalog has put it: environments need "
            "a catalog that keeps tables where the lake asks it to"
        )
    bare = _metadata(source, snapshot, location)
    # Not registered yet: it only says where the records go.
    held = Table(("clone",), bare, "", io, NoopCatalog("none"))
    summary = summary_of_clone(held, snapshot, current_records(source))
    first = snapshot.model_copy(update={"summary": summary, "parent_snapshot_id": None})
    metadata = bare.model_copy(update={"snapshots": [first]})
    # Storage takes metadata with the number 0 for a table in which nothing was published.
    uri = f"{location}/metadata/00001-{uuid4()}.metadata.json"
    ToOutputFile.table_metadata(metadata, io.new_output(uri))
    lake.access.store.persist([uri])
    write_hint(io, uri)
    catalog, identifier = lake.access.open(), lake.access.identifier(table)
    catalog.create_namespace_if_not_exists(identifier.partition(".")[0])
    catalog.register_table(identifier, uri)


def _metadata(source: Table, snapshot: Snapshot, location: str) -> TableMetadata:
    """Metadata at a place that knows one snapshot, and nothing of what was before it."""
    id_, moment = snapshot.snapshot_id, snapshot.timestamp_ms
    properties = {name: it for name, it in source.properties.items() if not name.startswith(OWN)}
    return source.metadata.model_copy(
        update={
            "location": location,
            "table_uuid": uuid4(),
            "properties": properties,
            "snapshots": [snapshot],
            "snapshot_log": [SnapshotLogEntry(snapshot_id=id_, timestamp_ms=moment)],
            "metadata_log": [],
            "refs": {MAIN_BRANCH: source.metadata.refs[MAIN_BRANCH]},
            "statistics": [],
            "partition_statistics": [],
        }
    )
