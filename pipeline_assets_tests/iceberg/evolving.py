"""A table whose contract has changed in every way that it may, and files of before and after."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias
from uuid import uuid4

import dagster as dg
import ibis.expr.datatypes as dt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_assets.dataset.contract import (
    Contract,
    Double,
    Field,
    FloatList,
    Int,
    Long,
    String,
    TableContract,
)
from pipeline_assets.dataset.inputs import InputSpec
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.publish.io_managers import lazy_table
from pipeline_assets_tests.landing.plays import record
from spark_resources.job import Source

Float: TypeAlias = dt.Float32
Rows = Sequence[Mapping[str, Any]]


class Before(Contract):
    """One row per film and day."""

    film: String = Field(description="What was seen.")
    old: String = Field()
    score: Int = Field()
    share: Float = Field()
    price: Annotated[dt.Decimal, 9, 2] = Field()
    taste: FloatList = Field()
    day: String = Field()


class After(Contract):
    """One row per title and day."""

    day: String = Field()
    title: String = Field(description="What was seen, by title.", renamed_from="film")
    score: Long = Field()
    share: Double = Field()
    price: Annotated[dt.Decimal, 18, 2] = Field()
    taste: Annotated[dt.Array, dt.float64] = Field()
    note: String = Field(nullable=True)


def films(contract: type[Contract]) -> LakeTable:
    return LakeTable("cinema", "films", TableContract.of(contract), "day")


BEFORE: Final = films(Before)
AFTER: Final = films(After)

_COMMON: Final = {"score": 7, "share": 0.5, "price": Decimal("1.25"), "taste": [0.5, 1.5]}
MONDAY: Final = [{"film": "Alien", "old": "x", **_COMMON, "day": "mon"}]
TUESDAY: Final = [{"day": "tue", "title": "Heat", **_COMMON, "score": 2**40, "note": "new"}]
BOTH: Final = [
    {"day": "mon", "title": "Alien", **_COMMON, "note": None},
    TUESDAY[0],
]


def publish(lake: Lake, table: LakeTable, day: str, rows: Rows) -> int:
    """Replace a day, with a file that has the columns of the table's contract."""
    uri = Path(lake.location(table)) / "data" / uuid4().hex / "0.parquet"
    uri.parent.mkdir(parents=True)
    schema = pa.schema(table.contract.schema.to_pyarrow())
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), uri)
    return lake.publish(table, [str(uri)], {day: record()})


def source_of(lake: Lake, table: LakeTable, keys: tuple[str, ...] | None = None) -> Source:
    """How a function that reads the table gets it."""
    spec = InputSpec("films", dg.AssetKey([table.namespace, table.name]), "table")
    return lazy_table(lake, spec, table, keys).sources["films"]
