from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_assets.dataset.contract import Contract, Double, Field, Long, String, TableContract
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.reading.query import query
from pipeline_assets_tests.landing.plays import (
    ALL_PLAYS,
    PLAYS,
    Plays,
    content,
    local_lake,
    publish,
    record,
    written,
)
from pipeline_assets_tests.processes import CONTEXT

PROCESSES = 8


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return local_lake(tmp_path / "lake")


def test_a_table_that_was_never_published_is_empty(lake: Lake) -> None:
    state = lake.read(PLAYS)
    assert (state.snapshot_id, state.files, state.records) == (None, (), {})
    assert lake.rows(PLAYS, state).num_rows == 0
    assert lake.history(PLAYS) == []


def test_a_table_between_its_creation_and_its_first_commit_is_empty(lake: Lake) -> None:
    lake.create(PLAYS)
    state = lake.read(PLAYS)
    assert (state.snapshot_id, state.files, list(state.columns)) == (
        None,
        (),
        ["listener", "plays", "day"],
    )
    engine = EmbeddedEngine(memory_limit_mib=256, threads=1)
    with query("select count(*) from music.plays", lake, [], engine) as answer:
        assert list(answer.rows) == [(0,)]


def test_what_is_published_can_be_read(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 3, "bob": 1}, "tue": {"ada": 2}})
    assert content(lake) == {"mon": {"ada": 3, "bob": 1}, "tue": {"ada": 2}}
    assert content(lake, ["tue"]) == {"tue": {"ada": 2}}
    assert content(lake, ["wed"]) == {}
    assert content(lake, []) == {}


def test_publishing_again_replaces_a_partition_and_no_other(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 3}, "tue": {"ada": 2}})
    publish(lake, {"mon": {"bob": 7}})
    assert content(lake) == {"mon": {"bob": 7}, "tue": {"ada": 2}}


def test_a_range_of_partitions_is_one_commit(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 1}, "tue": {}, "wed": {"ada": 3}})
    assert len(lake.history(PLAYS)) == 1
    assert lake.read(PLAYS).records.keys() == {"mon", "tue", "wed"}


def test_an_empty_partition_is_published_all_the_same(lake: Lake) -> None:
    publish(lake, {"mon": {}})
    assert (content(lake), list(lake.read(PLAYS).records)) == ({}, ["mon"])
    publish(lake, {"mon": {"ada": 3}})
    publish(lake, {"mon": {}}, "now empty")
    assert content(lake) == {}
    assert lake.read(PLAYS).records["mon"].version == "now empty"


def test_a_table_without_partitions_is_replaced_as_a_whole(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 3}, "tue": {"ada": 2}}, table=ALL_PLAYS)
    publish(lake, {"mon": {"bob": 7}}, table=ALL_PLAYS)
    assert content(lake, table=ALL_PLAYS) == {"mon": {"bob": 7}}


def test_rows_are_those_of_the_look_that_was_taken(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 3}, "tue": {"ada": 2}})
    look = lake.read(PLAYS, ["mon"])
    publish(lake, {"mon": {"bob": 7}})
    assert lake.rows(PLAYS, look).to_pylist() == [{"listener": "ada", "plays": 3, "day": "mon"}]
    assert lake.rows(PLAYS, lake.read(PLAYS, ["wed"])).num_rows == 0


def test_the_record_says_what_a_partition_was_made_from(lake: Lake) -> None:
    made = record("v7", {"plays": "of upstream"})
    lake.publish(PLAYS, list(written(lake, {"mon": {"ada": 3}})), {"mon": made})
    assert lake.read(PLAYS).records == {"mon": made}


def test_history_tells_every_publish(lake: Lake) -> None:
    first = publish(lake, {"mon": {"ada": 3}}, "v1")
    second = publish(lake, {"mon": {"ada": 4}, "tue": {"ada": 2}}, "v2")
    entries = lake.history(PLAYS)
    assert [(entry.snapshot_id, entry.is_current) for entry in entries] == [
        (first, False),
        (second, True),
    ]
    assert [sorted(entry.records) for entry in entries] == [["mon"], ["mon", "tue"]]
    assert entries[0].committed_at <= entries[1].committed_at


def test_a_restored_table_is_as_it_was(lake: Lake) -> None:
    then = publish(lake, {"mon": {"ada": 3}})
    publish(lake, {"mon": {"bob": 7}, "tue": {"ada": 2}})
    restored = lake.restore(PLAYS, then)
    assert content(lake) == {"mon": {"ada": 3}}
    assert restored["tue"] is None
    assert list(lake.read(PLAYS).records) == ["mon"]


def test_a_restored_partition_leaves_the_others_alone(lake: Lake) -> None:
    then = publish(lake, {"mon": {"ada": 3}, "tue": {"ada": 1}})
    publish(lake, {"mon": {"bob": 7}, "tue": {"ada": 2}})
    lake.restore(PLAYS, then, ["mon"])
    assert content(lake) == {"mon": {"ada": 3}, "tue": {"ada": 2}}


def test_a_partition_that_did_not_exist_then_is_gone_after_its_restore(lake: Lake) -> None:
    then = publish(lake, {"mon": {"ada": 3}})
    publish(lake, {"tue": {"ada": 2}})
    assert lake.restore(PLAYS, then, ["tue"]) == {"tue": None}
    assert content(lake) == {"mon": {"ada": 3}}


def test_a_restore_can_be_undone(lake: Lake) -> None:
    then = publish(lake, {"mon": {"ada": 3}})
    now = publish(lake, {"mon": {"bob": 7}, "tue": {"ada": 2}})
    lake.restore(PLAYS, then)
    lake.restore(PLAYS, now)
    assert content(lake) == {"mon": {"bob": 7}, "tue": {"ada": 2}}


def test_a_restored_partition_counts_as_made_from_what_there_is_today(lake: Lake) -> None:
    old, new = record("old", {"raw": "1"}), record("new", {"raw": "2"})
    new = replace(new, code_version="newer code")
    then = lake.publish(PLAYS, list(written(lake, {"mon": {"ada": 3}})), {"mon": old})
    lake.publish(PLAYS, list(written(lake, {"mon": {"bob": 7}})), {"mon": new})
    lake.restore(PLAYS, then)
    pinned = lake.read(PLAYS).records["mon"]
    assert pinned == replace(old, inputs={"raw": "2"}, code_version="newer code")


@pytest.mark.parametrize("keys", [None, ["mon"]])
def test_a_table_without_partitions_is_restored(lake: Lake, keys: list[str] | None) -> None:
    then = publish(lake, {"mon": {"ada": 3}}, table=ALL_PLAYS)
    publish(lake, {"mon": {"bob": 7}}, table=ALL_PLAYS)
    lake.restore(ALL_PLAYS, then, keys and [""])
    assert content(lake, table=ALL_PLAYS) == {"mon": {"ada": 3}}


def test_restoring_an_unknown_snapshot_is_told_in_one_line(lake: Lake) -> None:
    with pytest.raises(PipelineError, match=r"^music.plays has no snapshot 7; see: history music"):
        lake.restore(PLAYS, 7)


def test_a_new_column_widens_the_table(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 3}})

    class LongerPlays(Plays):
        """One row per listener and day."""

        hours: Double = Field(description="How long.", nullable=True)

    wider = replace(PLAYS, contract=TableContract.of(LongerPlays))
    publish(lake, {"tue": {"bob": 1}}, table=wider)
    rows = lake.rows(wider, lake.read(wider)).sort_by("day").to_pylist()
    assert [row["hours"] for row in rows] == [None, None]
    assert [row["listener"] for row in rows] == ["ada", "bob"]


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    barrier = CONTEXT.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, CONTEXT, _meet_at, (barrier,)) as pool:
        yield pool


def _meet_at(barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603 - the pool's way to hand a barrier to its processes
    _barrier = barrier


_barrier: Barrier


def _publish_own_day(folder: Path, process: int) -> None:
    _barrier.wait()
    publish(local_lake(folder), {f"day-{process}": {"ada": process}})


def _publish_same_days(folder: Path, process: int) -> None:
    _barrier.wait()
    name = f"p{process}"
    publish(local_lake(folder), {"mon": {name: 1}, "tue": {name: 1}}, name)


class Heard(Contract):
    """The next contract of the same table."""

    day: String = Field()
    who: String = Field(renamed_from="listener")
    plays: Long = Field()
    device: String = Field(nullable=True)


def _publish_by_next_contract(folder: Path, process: int) -> None:
    lake, table = local_lake(folder), replace(PLAYS, contract=TableContract.of(Heard))
    file = Path(lake.location(table)) / "data" / str(process) / "0.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table({"day": [f"day-{process}"], "who": ["ada"], "plays": [1]}), file)
    _barrier.wait()
    lake.publish(table, [str(file)], {f"day-{process}": record()})


def test_processes_that_start_on_nothing_lose_nothing(
    tmp_path: Path, processes: ProcessPoolExecutor
) -> None:
    list(processes.map(_publish_own_day, [tmp_path] * PROCESSES, range(PROCESSES)))
    expected = {f"day-{process}": {"ada": process} for process in range(PROCESSES)}
    lake = local_lake(tmp_path)
    assert content(lake) == expected
    assert lake.read(PLAYS).records.keys() == expected.keys()
    assert len(lake.history(PLAYS)) == len(expected)


def test_of_processes_that_replace_the_same_partitions_one_wins_whole(
    tmp_path: Path, processes: ProcessPoolExecutor
) -> None:
    list(processes.map(_publish_same_days, [tmp_path] * PROCESSES, range(PROCESSES)))
    state = local_lake(tmp_path).read(PLAYS)
    (winner,) = {made.version for made in state.records.values()}
    assert content(local_lake(tmp_path)) == {"mon": {winner: 1}, "tue": {winner: 1}}


def test_processes_that_publish_by_a_new_contract_at_once_change_the_schema_once(
    tmp_path: Path, processes: ProcessPoolExecutor
) -> None:
    lake = local_lake(tmp_path)
    publish(lake, {"mon": {"ada": 3}})
    list(processes.map(_publish_by_next_contract, [tmp_path] * PROCESSES, range(PROCESSES)))
    iceberg = lake.load(PLAYS)
    assert iceberg is not None
    assert [field.name for field in iceberg.schema().fields] == ["day", "who", "plays", "device"]
    # One with the columns, one with their order.
    assert len(iceberg.schemas()) == 3
    assert iceberg.scan().to_arrow()["who"].to_pylist() == ["ada"] * (PROCESSES + 1)
