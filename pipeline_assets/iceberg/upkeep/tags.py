"""Tags: names of snapshots, which keep them and their files from expiring."""

from pipeline_assets.dataset.values.table import Readable
from pipeline_assets.iceberg.catalog import beside_others, one_line_errors
from pipeline_assets.iceberg.tables import Lake


def tag(lake: Lake, table: Readable, name: str, snapshot_id: int) -> None:
    """Give a snapshot a name; one that the name stood for before loses it.

    Raises:
        PipelineError: The snapshot has expired, or the table cannot be read or written.
    """
    with one_line_errors(f"tag {table}"):
        _tag(lake, table, name, snapshot_id)


def untag(lake: Lake, table: Readable, name: str) -> bool:
    """Take a name from a table; whether it had it.

    Raises:
        PipelineError: The table cannot be read or written.
    """
    with one_line_errors(f"remove a tag of {table}"):
        return _untag(lake, table, name)


@beside_others
def _tag(lake: Lake, table: Readable, name: str, snapshot_id: int) -> None:
    iceberg = lake.load_to_commit(table)
    if iceberg is not None:
        iceberg.manage_snapshots().create_tag(snapshot_id, name).commit()


@beside_others
def _untag(lake: Lake, table: Readable, name: str) -> bool:
    iceberg = lake.load_to_commit(table)
    if iceberg is None or name not in iceberg.metadata.refs:
        return False
    iceberg.manage_snapshots().remove_tag(name).commit()
    return True
