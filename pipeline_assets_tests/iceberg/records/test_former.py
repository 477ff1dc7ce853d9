"""A table whose records version 0.1 has written: one property a partition, and summaries."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyiceberg.io.pyarrow import parquet_files_to_data_files

from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.iceberg.audits import note_audit
from pipeline_assets.iceberg.records.files import dumped
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.expiry import expire
from pipeline_assets_tests.landing.plays import (
    PLAYS,
    content,
    local_lake,
    publish,
    record,
    written,
)

ALWAYS = datetime.max.replace(tzinfo=UTC)


def published_formerly(lake: Lake, days: Mapping[str, Mapping[str, int]], version: str) -> int:
    """Add partitions as version 0.1 did."""
    iceberg = lake.load(PLAYS) or lake.create(PLAYS)
    texts = {day: json.dumps(dumped(record(version))) for day in days}
    files = iter(list(written(lake, days)))
    summary = {
        "pipeline.partitions": json.dumps({day: json.loads(it) for day, it in texts.items()})
    }
    mapping = iceberg.schema().name_mapping.model_dump_json()
    with iceberg.transaction() as transaction:
        transaction.set_properties({"schema.name-mapping.default": mapping})
        added = parquet_files_to_data_files(iceberg.io, transaction.table_metadata, files)
        with transaction.update_snapshot(snapshot_properties=summary).fast_append() as append:
            for file in added:
                append.append_data_file(file)
        transaction.set_properties({f"pipeline.partition.{day}": it for day, it in texts.items()})
    return int(iceberg.metadata.current_snapshot_id or 0)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = local_lake(tmp_path)
    published_formerly(lake, {"mon": {"ada": 1}}, "v1")
    published_formerly(lake, {"tue": {"ada": 2}}, "v2")
    noted = replace(lake.records(PLAYS)["mon"], audit="passed")
    iceberg = lake.load(PLAYS)
    assert iceberg
    with iceberg.transaction() as transaction:
        transaction.set_properties({"pipeline.partition.mon": json.dumps(dumped(noted))})
    return lake


def versions(records: Mapping[str, PartitionRecord]) -> dict[str, str]:
    return {key: it.version + it.audit for key, it in records.items()}


def test_it_reads_as_before_until_the_first_write(lake: Lake) -> None:
    assert versions(lake.records(PLAYS)) == {"mon": "v1passed", "tue": "v2"}
    assert [list(entry.records) for entry in lake.history(PLAYS)] == [["mon"], ["tue"]]
    assert content(lake) == {"mon": {"ada": 1}, "tue": {"ada": 2}}


def test_the_first_write_leaves_no_record_in_the_properties(lake: Lake) -> None:
    then = lake.history(PLAYS)[0].snapshot_id
    publish(lake, {"wed": {"ada": 3}}, "v3")
    iceberg = lake.load(PLAYS)
    assert iceberg
    assert [it for it in iceberg.properties if it.startswith("pipeline.")] == ["pipeline.records"]
    assert versions(lake.records(PLAYS)) == {"mon": "v1passed", "tue": "v2", "wed": "v3"}
    assert [list(entry.records) for entry in lake.history(PLAYS)] == [["mon"], ["tue"], ["wed"]]
    lake.restore(PLAYS, then)
    assert content(lake) == {"mon": {"ada": 1}}
    assert list(lake.records(PLAYS)) == ["mon"]


def test_old_snapshots_expire(lake: Lake) -> None:
    assert len(expire(lake, PLAYS, ALWAYS).snapshots) == 1
    assert versions(lake.records(PLAYS)) == {"mon": "v1passed", "tue": "v2"}


def test_checks_that_were_passed_are_noted_without_a_snapshot(lake: Lake) -> None:
    before = lake.read(PLAYS).snapshot_id
    note_audit(lake, PLAYS, lake.records(PLAYS), "newer")
    state = lake.read(PLAYS)
    assert state.snapshot_id == before
    assert versions(state.records) == {"mon": "v1newer", "tue": "v2newer"}
    publish(lake, {"mon": {"bob": 1}}, "v3")
    assert versions(lake.records(PLAYS)) == {"mon": "v3", "tue": "v2newer"}
