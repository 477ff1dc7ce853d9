"""Which checks a published partition has passed, noted without a new snapshot."""

from collections.abc import Mapping
from dataclasses import replace

from pipeline_assets.dataset.values.table import LakeTable, PartitionRecord
from pipeline_assets.iceberg.catalog import beside_others, one_line_errors
from pipeline_assets.iceberg.commit import commit_to
from pipeline_assets.iceberg.history import INDEX, current_records, index_of, listed_at
from pipeline_assets.iceberg.records.files import extended, write
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.tidying import tidy


def note_audit(
    lake: Lake, table: LakeTable, audited: Mapping[str, PartitionRecord], version: str
) -> None:
    """Record that partitions have passed today's checks, unless they are replaced by now.

    Args:
        lake: Where the table is published.
        table: The table.
        audited: The records of the partitions that were audited.
        version: Of the checks.

    Raises:
        PipelineError: The catalog cannot be read or written.
    """
    with one_line_errors(f"record the audit of {table}"):
        _note(lake, table, audited, version)


@beside_others
def _note(
    lake: Lake, table: LakeTable, audited: Mapping[str, PartitionRecord], version: str
) -> None:
    iceberg = lake.load_to_commit(table)
    if iceberg is None:
        return
    tidy(iceberg)
    present = current_records(iceberg)
    passed = {
        key: replace(record, audit=version)
        for key, record in audited.items()
        if present.get(key) == record and record.audit != version
    }
    if passed:
        current = iceberg.metadata.current_snapshot_id
        listed = extended(iceberg, listed_at(iceberg, current), passed)
        index = write(iceberg, {**index_of(iceberg), str(current): listed})
        with commit_to(iceberg) as transaction:
            transaction.set_properties({INDEX: index})
