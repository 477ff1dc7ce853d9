"""A lake is opened from Python: what is read is what was published, now or then."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline_assets import open_lake
from pipeline_assets.dataset.contract import Field, Long, TableContract
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.reading.open_lake import OpenLake
from pipeline_assets_tests.landing.plays import ALL_PLAYS, PLAYS, Plays, local_lake, publish

Counts = dict[str, dict[str, int]]
NAME = str(PLAYS)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return local_lake(tmp_path / "lake")


def opened(lake: Lake) -> OpenLake:
    return open_lake(lake.access.warehouse, catalog=lake.access.uri)


def counts(table: pa.Table) -> Counts:
    found: Counts = {}
    for row in table.to_pylist():
        found.setdefault(row["day"], {})[row["listener"]] = row["plays"]
    return found


def test_the_same_rows_come_in_every_form(lake: Lake) -> None:
    rows: Counts = {"mon": {"ada": 3}, "tue": {"bob": 2}}
    publish(lake, rows)
    with opened(lake) as read:
        table = read[NAME]
        assert counts(table.to_arrow()) == rows
        assert counts(pa.Table.from_batches(table.batches(rows=1))) == rows
        assert counts(table.to_polars().to_arrow()) == rows
        assert counts(pa.Table.from_pandas(table.to_pandas())) == rows
        assert counts(table.ibis.to_pyarrow()) == rows
        assert len(table) == 2
        assert table.partitions == ("mon", "tue")
        assert [(column.name, column.type) for column in table.columns] == [
            ("listener", "string"),
            ("plays", "long"),
            ("day", "string"),
        ]


def test_some_partitions_are_read_alone(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 3}, "tue": {"ada": 2}, "wed": {"bob": 1}})
    with opened(lake) as read:
        monday = read.table(NAME, partition="mon")
        assert counts(monday.to_arrow()) == {"mon": {"ada": 3}}
        assert len(monday.files) == 1
        two = read.table(NAME, partition=["mon", "wed"])
        assert counts(two.ibis.to_pyarrow()) == {"mon": {"ada": 3}, "wed": {"bob": 1}}
        assert (len(two), two.partitions) == (2, ("mon", "wed"))


def test_a_table_stays_as_it_was_when_it_was_asked_for(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 3}})
    with opened(lake) as read:
        before = read[NAME]
        publish(lake, {"mon": {"ada": 4}})
        assert counts(before.to_arrow()) == {"mon": {"ada": 3}}
        assert counts(read[NAME].to_arrow()) == {"mon": {"ada": 4}}


def test_the_past_is_read_by_its_snapshot_or_by_its_moment(lake: Lake) -> None:
    first, second = (publish(lake, {"mon": {"ada": plays}}) for plays in (3, 4))
    with opened(lake) as read:
        entries = read[NAME].history
        assert [entry.snapshot_id for entry in entries] == [first, second]
        assert counts(read.table(NAME, snapshot=first).to_arrow()) == {"mon": {"ada": 3}}
        for moment, plays in zip((entry.committed_at for entry in entries), (3, 4), strict=True):
            without_zone = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
            for as_of in (moment, moment.isoformat(), without_zone):
                assert counts(read.table(NAME, as_of=as_of).to_arrow()) == {"mon": {"ada": plays}}
        with pytest.raises(PipelineError, match=f"The history of {NAME} begins at"):
            read.table(NAME, as_of=entries[0].committed_at - timedelta(milliseconds=1))


def test_two_tables_of_a_lake_can_be_joined(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 3}, "tue": {"ada": 2}})
    publish(lake, {"mon": {"ada": 5}}, table=ALL_PLAYS)
    with opened(lake) as read:
        days, total = read[NAME].ibis, read[str(ALL_PLAYS)].ibis
        joined = days.join(total, "listener").aggregate(n=days.plays.sum() + total.plays.max())
        assert joined.to_pyarrow().to_pylist() == [{"n": 10}]


class MorePlays(Plays):
    """With a column that came later."""

    skips: Long = Field(nullable=True)


def test_a_column_that_came_later_is_null_before_and_no_part_of_the_past(lake: Lake) -> None:
    first = publish(lake, {"mon": {"ada": 3}})
    publish(lake, {"tue": {"ada": 2}}, table=replace(PLAYS, contract=TableContract.of(MorePlays)))
    with opened(lake) as read:
        now, then = read[NAME], read.table(NAME, snapshot=first)
        assert [column.name for column in now.columns][-1] == "skips"
        assert {row["skips"] for row in now.to_arrow().to_pylist()} == {None}
        assert then.to_arrow().column_names == ["listener", "plays", "day"]


def test_an_empty_table_has_its_columns(lake: Lake) -> None:
    publish(lake, {"mon": {}})
    with opened(lake) as read:
        assert read[NAME].to_arrow().schema.names == ["listener", "plays", "day"]
        assert read[NAME].ibis.count().execute() == 0


def test_wrong_names_suggest_near_ones(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 3}, "tue": {"ada": 3}})
    with opened(lake) as read:
        assert read.tables() == (NAME,)
        with pytest.raises(PipelineError, match=f"did you mean {NAME}"):
            read[NAME + "s"]
        with pytest.raises(PipelineError, match=f"no table nowhere in this lake; there are {NAME}"):
            read["nowhere"]
        with pytest.raises(PipelineError, match="called 'tues'; did you mean tue"):
            read.table(NAME, partition=["mon", "tues"])
        with pytest.raises(PipelineError, match="has no snapshot 7; its last ones are"):
            read.table(NAME, snapshot=7)
        with pytest.raises(PipelineError, match="'noon' is no moment"):
            read.table(NAME, as_of="noon")
        with pytest.raises(PipelineError, match="not both"):
            read.table(NAME, snapshot=7, as_of="2024-01-01")


def test_a_folder_without_a_lake_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=f"There is no lake in {tmp_path}/elsewhere"):
        open_lake(tmp_path / "elsewhere")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_gone_is_told_in_one_line(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 3}})
    with opened(lake) as read:
        table = read[NAME]
        Path(table.files[0].removeprefix("file://")).unlink()
        with pytest.raises(PipelineError, match=f"Cannot read {NAME}: .*No files found") as error:
            table.to_arrow()
    assert "\n" not in str(error.value)


def test_neither_dagster_nor_a_domain_is_imported(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 3}})
    script = f"""
import sys
from pipeline_assets import open_lake
with open_lake({lake.access.warehouse!r}, catalog={lake.access.uri!r}) as lake:
    assert next(lake[{NAME!r}].batches()).num_rows == 1
needless = ("dagster", "polars", "ibis", "pipeline_assets.domains")
print([name for name in needless if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
