"""Batches are what a plain loop over the rows gives, whoever reads which part of them."""

from pathlib import Path
from typing import Any, get_args

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as examples

from pipeline_assets.dataset.contract import (
    Contract,
    FloatList,
    Int,
    IntList,
    Long,
    String,
    TableContract,
)
from pipeline_assets.dataset.contract import Float as Float32
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.errors import PipelineError
from pipeline_assets.reading.open_lake import OpenLake, open_lake
from pipeline_assets.training import Batch, Columns, Reader, Shard, prepare
from pipeline_assets.training.reader import Shuffle
from pipeline_assets_tests.landing.plays import local_lake, record

ROWS = 500


class Shown(Contract):
    """One row per thing shown."""

    number: Long
    click: Int
    user_row: Int
    part: String
    f1: Int
    f1_weight: Float32
    f2: IntList
    f2_weight: FloatList


SHOWN = LakeTable("shop", "shown", TableContract.of(Shown))


def drawn() -> pa.Table:
    random = np.random.default_rng(5)
    lengths = random.integers(0, 6, ROWS)
    rows = [
        {
            "number": number,
            "click": int(random.integers(0, 2)),
            "user_row": int(random.integers(0, 40)),
            "part": "train" if number % 10 else "validation",
            "f1": int(random.integers(0, 9)),
            "f1_weight": float(np.float32(random.random())),
            "f2": random.integers(0, 99, length).tolist(),
            "f2_weight": random.random(length).astype(np.float32).tolist(),
        }
        for number, length in enumerate(lengths)
    ]
    schema = pa.schema(TableContract.of(Shown).schema.to_pyarrow())
    return pa.Table.from_pylist(rows, schema=schema)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def lake(folder: Path) -> OpenLake:
    own = local_lake(folder / "lake")
    file = Path(own.location(SHOWN)) / "data" / "a" / "rows.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(drawn(), file)
    own.publish(SHOWN, [str(file)], {"": record()})
    return open_lake(folder / "lake")


@pytest.fixture(scope="module")
def columns(lake: OpenLake, folder: Path) -> Columns:
    order = ["user_row", "number"]
    where = {"part": "train"}
    return prepare(lake["shop.shown"], folder / "cache", order_by=order, where=where)


def plain(batch: Batch) -> list[dict[str, Any]]:
    """The rows of a batch, one field of one value as a number again."""
    rows: list[dict[str, Any]] = batch.to_arrow().to_pylist()
    for row in rows:
        row["f1"], row["f1_weight"] = row["f1"][0], row["f1_weight"][0]
    return rows


def naive() -> dict[int, dict[str, Any]]:
    rows = drawn().drop_columns("part").to_pylist()
    return {row["number"]: row for row in rows if row["number"] % 10}


@pytest.mark.parametrize("shuffle", get_args(Shuffle))
def test_every_row_comes_once_and_as_it_is(columns: Columns, shuffle: Shuffle) -> None:
    rows = [row for batch in Reader(columns, 64, shuffle) for row in plain(batch)]
    assert len(rows) == ROWS * 9 // 10
    assert {row["number"]: row for row in rows} == naive()


@examples(max_examples=40)
@given(st.sampled_from(get_args(Shuffle)), st.integers(1, 200), st.integers(1, 3), st.data())
def test_ranks_and_workers_read_all_rows_once_also_after_a_stop(
    columns: Columns, shuffle: Shuffle, batch_rows: int, ranks: int, data: st.DataObject
) -> None:
    workers = data.draw(st.integers(1, 3))
    seen: list[int] = []
    for rank in range(ranks):
        for worker in range(workers):
            shard = Shard.of(rank, ranks, worker, workers)
            first = Reader(columns, batch_rows, shuffle, seed=7, shard=shard)
            stop = data.draw(st.integers(0, len(first)))
            for _, batch in zip(range(stop), first, strict=False):
                seen += batch.keys["number"].tolist()
            then = Reader(columns, batch_rows, shuffle, seed=7, shard=shard)
            then.load_state_dict(first.state_dict())
            seen += [it for batch in then for it in batch.keys["number"].tolist()]
    assert sorted(seen) == sorted(naive())


def test_epochs_are_shuffled_anew_and_alike_for_everybody(columns: Columns) -> None:
    def epochs() -> list[list[int]]:
        reader = Reader(columns, 100, "rows", seed=1)
        return [[it for batch in reader for it in batch.keys["number"].tolist()] for _ in "ab"]

    first, second = epochs()
    assert first != second
    assert sorted(first) == sorted(second)
    assert epochs() == [first, second]


def test_users_stay_together(columns: Columns) -> None:
    batches = Reader(columns, 32, "users", seed=2)
    users = [it for batch in batches for it in batch.keys["user_row"].tolist()]
    known = [user for place, user in enumerate(users) if user and user != users[place - 1]]
    assert len(known) == len(set(known))
    assert known != sorted(known)


def test_a_state_of_another_reader_is_refused(columns: Columns) -> None:
    state = Reader(columns, 32, seed=1).state_dict()
    with pytest.raises(PipelineError, match="another reader: seed differ"):
        Reader(columns, 32, seed=2).load_state_dict(state)


def test_what_is_prepared_is_used_again(lake: OpenLake, columns: Columns, folder: Path) -> None:
    again = prepare(
        lake["shop.shown"],
        folder / "cache",
        order_by=["user_row", "number"],
        where={"part": "train"},
    )
    assert again.folder == columns.folder
    assert [it.name for it in (folder / "cache").iterdir()] == [columns.folder.name]


def test_resident_rows_are_found_by_their_number(tmp_path: Path) -> None:
    own = local_lake(tmp_path / "lake")
    file = Path(own.location(SHOWN)) / "data" / "a" / "rows.parquet"
    file.parent.mkdir(parents=True)
    rows = drawn().slice(0, 40)
    numbers = pa.array(range(40, 0, -1), pa.int32())
    pq.write_table(
        rows.set_column(rows.schema.get_field_index("user_row"), "user_row", numbers), file
    )
    own.publish(SHOWN, [str(file)], {"": record()})
    table = open_lake(tmp_path / "lake")["shop.shown"]
    users = prepare(table, tmp_path / "cache", order_by=["user_row"]).resident()
    assert users["f2"].lengths[0] == users["f1"].lengths[0] == 0
    some = users["f2"].take(np.array([7, 40], np.int64))
    lists = rows["f2"].to_pylist()
    assert some.ids.tolist() == lists[33] + lists[0]
    assert some.lengths.tolist() == [len(lists[33]), len(lists[0])]


def test_rows_without_numbers_are_no_resident_table(lake: OpenLake, folder: Path) -> None:
    with pytest.raises(PipelineError, match="user_row does not number the rows from 1"):
        prepare(lake["shop.shown"], folder / "other", order_by=["user_row", "number"]).resident()


def test_tensors_need_torch_and_nothing_else_does(columns: Columns) -> None:
    (batch, *_) = Reader(columns, 10, "no")
    with pytest.raises(PipelineError, match="pip install 'pipeline-assets"):
        batch.to_torch()
    assert batch.nbytes > 10 * 4
