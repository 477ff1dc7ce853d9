"""A small release of impressions and users, and what every row of it means when it is joined."""

from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_assets.dataset.contract import (
    Contract,
    Float,
    FloatList,
    Int,
    IntList,
    Long,
    String,
    TableContract,
)
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.reading.open_lake import OpenLake, open_lake
from pipeline_assets.reading.release import Release, ReleasedTable
from pipeline_assets_tests.landing.plays import local_lake, record

Row = dict[str, Any]
USERS, ROWS = 12, 90


class Shown(Contract):
    """One row per thing shown."""

    sample_id: Long
    click_label: Int
    conversion_label: Int
    user_row: Int
    part: String
    f1: Int
    f1_weight: Float
    f2: IntList
    f2_weight: FloatList
    f3: Int
    f3_weight: Float
    split: String


class People(Contract):
    """One row per user."""

    user_row: Int
    part: String
    f7: IntList
    f7_weight: FloatList
    f8: IntList
    f8_weight: FloatList
    f9: Int
    f9_weight: Float
    split: String


SHOWN = LakeTable("shop", "shown", TableContract.of(Shown), "split")
PEOPLE = LakeTable("shop", "encoded_users", TableContract.of(People), "split")


def _tokens(random: Random, name: str, most: int, *, weighted: bool) -> Row:
    """Up to so many tokens; the weights are multiples of 1/8, which 32 bits hold exactly."""
    ids = [random.randint(1, 20) for _ in range(random.randint(0, most))]
    weights = [random.randint(1, 40) / 8 if weighted else 1.0 for _ in ids]
    return {name: ids, f"{name}_weight": weights}


def _token(random: Random, name: str, *, weighted: bool) -> Row:
    index = random.randint(0, 9)
    weight = random.randint(1, 40) / 8 if weighted else 1.0
    return {name: index, f"{name}_weight": weight if index else 0.0}


def _users(random: Random, split: str) -> list[Row]:
    return [
        {"user_row": row, "part": split}
        | _tokens(random, "f7", 7, weighted=True)
        | _tokens(random, "f8", 3, weighted=False)
        | _token(random, "f9", weighted=False)
        | {"split": split}
        for row in range(1, USERS + 1)
    ]


def _shown(random: Random, split: str) -> list[Row]:
    return [
        {
            "sample_id": number,
            "click_label": random.randint(0, 1),
            "conversion_label": 0,
            "user_row": number % (USERS + 1),
            "part": "validation" if split == "train" and number % 4 == 3 else split,
        }
        | _token(random, "f1", weighted=True)
        | _tokens(random, "f2", 5, weighted=True)
        | _token(random, "f3", weighted=False)
        | {"split": split}
        for number in range(1, ROWS + 1)
    ]


def rows_of(split: str) -> tuple[list[Row], list[Row]]:
    """The rows of a partition, and its users."""
    random = Random(split)
    return _shown(random, split), _users(random, split)


NOTHING = {"f7": [], "f7_weight": [], "f8": [], "f8_weight": [], "f9": 0, "f9_weight": 0.0}


def expected(part: str) -> list[Row]:
    """The rows of a part with the features of their users, by user and sample."""
    shown, users = rows_of("test" if part == "test" else "train")
    features = [NOTHING] + [
        {name: value for name, value in user.items() if name.startswith("f")} for user in users
    ]
    rows = [row | features[row["user_row"]] for row in shown if row["part"] == part]
    return sorted(rows, key=lambda row: (row["user_row"], row["sample_id"]))


def published(folder: Path) -> tuple[Release, OpenLake]:
    """A lake with both tables, and a release of them."""
    lake = local_lake(folder / "lake")
    tables = {}
    for number, table in enumerate((SHOWN, PEOPLE)):
        files = [_file(lake, table, split, rows_of(split)[number]) for split in ("train", "test")]
        snapshot = lake.publish(table, files, {"train": record(), "test": record()})
        tables[str(table)] = ReleasedTable(snapshot, "", {})
    return Release("spring", "2026-11-28T00:00:00+00:00", tables), open_lake(folder / "lake")


def _file(lake: Lake, table: LakeTable, split: str, rows: list[Row]) -> str:
    file = Path(lake.location(table), "data", split, "rows.parquet")
    file.parent.mkdir(parents=True)
    schema = pa.schema(table.contract.schema.to_pyarrow())
    Random(1).shuffle(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
    return str(file)
