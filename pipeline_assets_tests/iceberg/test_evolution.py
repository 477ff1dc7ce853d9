"""A contract changes: what was published before stays readable, or nothing is changed at all."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import duckdb
import ibis.expr.datatypes as dt
import pytest

from pipeline_assets import open_lake
from pipeline_assets.dataset.contract import Contract, Double, Field, Int, String
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.engines.embedded.duckdb_sql import source_query
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.evolution import evolution, follow
from pipeline_assets.iceberg.past import Version
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.reading.query import query
from pipeline_assets_tests.iceberg.evolving import (
    AFTER,
    BEFORE,
    BOTH,
    MONDAY,
    TUESDAY,
    films,
    publish,
    source_of,
)
from pipeline_assets_tests.landing.plays import local_lake

Rows = list[dict[str, Any]]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = local_lake(tmp_path / "lake")
    publish(lake, BEFORE, "mon", MONDAY)
    return lake


def read_by_assets(lake: Lake) -> Rows:
    with closing(duckdb.connect()) as connection:
        return rows_of(connection.sql(source_query(source_of(lake, AFTER))))


def read_by_sql(lake: Lake) -> Rows:
    engine = EmbeddedEngine(memory_limit_mib=256, threads=1)
    with query("SELECT * FROM cinema.films ORDER BY day", lake, [], engine) as answer:
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def read_from_python(lake: Lake) -> Rows:
    with open_lake(lake.access.warehouse, catalog=lake.access.uri) as opened:
        return ordered(opened["cinema.films"].to_arrow().to_pylist())


def read_by_iceberg(lake: Lake) -> Rows:
    """As Athena and other engines that know Iceberg: by ids of fields, and the name mapping."""
    iceberg = lake.load(AFTER)
    assert iceberg is not None
    return ordered(iceberg.scan().to_arrow().to_pylist())


def rows_of(relation: duckdb.DuckDBPyRelation) -> Rows:
    return ordered(relation.to_arrow_table().to_pylist())


def ordered(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: str(row["day"]))


READERS: list[Callable[[Lake], Rows]] = [
    read_by_assets,
    read_by_sql,
    read_from_python,
    read_by_iceberg,
]


@pytest.mark.parametrize("read", READERS)
def test_columns_are_added_widened_renamed_dropped_and_reordered(
    lake: Lake, read: Callable[[Lake], Rows]
) -> None:
    publish(lake, AFTER, "tue", TUESDAY)
    found = read(lake)
    assert found == BOTH
    assert list(found[0]) == list(AFTER.contract.schema)


def test_a_renamed_column_is_the_same_field(lake: Lake) -> None:
    ids = field_ids(lake)
    publish(lake, AFTER, "tue", TUESDAY)
    later = field_ids(lake)
    assert later["title"] == ids["film"]
    assert later["score"] == ids["score"]
    assert later["note"] not in ids.values()


def field_ids(lake: Lake) -> dict[str, int]:
    iceberg = lake.load(BEFORE)
    assert iceberg is not None
    return {field.name: field.field_id for field in iceberg.schema().fields}


def test_what_was_published_is_read_by_its_new_name_before_anything_is_published_anew(
    lake: Lake,
) -> None:
    assert read_by_assets(lake) == BOTH[:1]


@pytest.mark.parametrize(
    ("read", "rows"),
    [
        (read_by_assets, BOTH[:1]),
        (read_by_iceberg, BOTH[:1]),
        # SQL and Python read a snapshot, and the last one has the columns of before.
        (read_by_sql, MONDAY),
        (read_from_python, MONDAY),
    ],
)
def test_a_process_that_ends_between_schema_and_rows_leaves_all_rows(
    lake: Lake, read: Callable[[Lake], Rows], rows: Rows
) -> None:
    iceberg = lake.load(BEFORE)
    assert iceberg is not None
    follow(iceberg, AFTER)
    assert read(lake) == rows


def test_an_older_snapshot_has_the_columns_of_then(lake: Lake) -> None:
    (then,) = (entry.snapshot_id for entry in lake.history(BEFORE))
    publish(lake, AFTER, "tue", TUESDAY)
    with open_lake(lake.access.warehouse, catalog=lake.access.uri) as opened:
        assert opened.table("cinema.films", snapshot=then).to_arrow().to_pylist() == MONDAY


def test_a_past_snapshot_after_a_rename_has_the_rows_of_before_it(lake: Lake) -> None:
    then = publish(lake, AFTER, "tue", TUESDAY)
    publish(lake, AFTER, "tue", [])
    engine = EmbeddedEngine(memory_limit_mib=256, threads=1)
    sql = "SELECT title FROM cinema.films ORDER BY day"
    with query(sql, lake, [], engine, version=Version(snapshot_id=then)) as answer:
        assert list(answer.rows) == [("Alien",), ("Heat",)]


def test_the_declaration_of_a_former_name_may_go_once_it_is_published(lake: Lake) -> None:
    class Later(Contract):
        """A column was renamed once more."""

        day: String = Field()
        name: String = Field(renamed_from=("title", "film"))

    class Settled(Contract):
        """Nobody mentions the former names any more."""

        day: String = Field()
        name: String = Field()

    publish(lake, AFTER, "tue", TUESDAY)
    publish(lake, films(Later), "wed", [{"day": "wed", "name": "Up"}])
    with closing(duckdb.connect()) as connection:
        found = rows_of(connection.sql(source_query(source_of(lake, films(Settled)))))
    assert [row["name"] for row in found] == ["Alien", "Heat", "Up"]


def test_it_is_announced(lake: Lake) -> None:
    iceberg = lake.load(AFTER)
    assert iceberg is not None
    assert list(evolution(iceberg.metadata, AFTER).lines()) == [
        "`film` is now called `title`",
        "`score` was int and is long",
        "`share` was float and is double",
        "`price` was decimal(9, 2) and is decimal(18, 2)",
        "`taste` was list<float> and is list<double>",
        "`old` is no longer a column",
        "`note` is new, and null in older partitions",
    ]


class Narrowed(Contract):
    """A long becomes an int."""

    day: String = Field()
    title: String = Field()
    score: Int = Field()


class Retyped(Contract):
    """A number becomes a text."""

    day: String = Field()
    title: String = Field()
    score: String = Field()


class Rounded(Contract):
    """A decimal keeps fewer digits behind its point, in favour of those before it."""

    day: String = Field()
    price: Annotated[dt.Decimal, 38, 1] = Field()


class Unparted(Contract):
    """The column of the partitions is renamed."""

    date: String = Field(renamed_from="day")
    title: String = Field()


class Reused(Contract):
    """A new column takes the name that another one had."""

    day: String = Field()
    title: String = Field()
    film: String = Field()


class Onto(Contract):
    """A column takes the name that a dropped one had."""

    day: String = Field()
    old: String = Field(renamed_from="title")


class Back(Contract):
    """A dropped column comes back as something else."""

    day: String = Field()
    title: String = Field()
    old: Double = Field()


REFUSED = [
    (films(Narrowed), "`score` is long in what is published, and its contract now says int"),
    (films(Retyped), "`score` is long in what is published, and its contract now says string"),
    (films(Rounded), r"`price` is decimal\(18, 2\) in what is published"),
    (LakeTable("cinema", "films", films(Unparted).contract, "date"), "are partitioned by `day`"),
    (LakeTable("cinema", "films", AFTER.contract), "are partitioned by `day`"),
    (films(Reused), "`film` was the name of another column"),
    (films(Onto), "`old` was the name of another column"),
    (films(Back), "`old` was string when it was a column before"),
]


@pytest.mark.parametrize(("table", "said"), REFUSED)
def test_what_is_not_safe_is_refused_in_one_line(lake: Lake, table: LakeTable, said: str) -> None:
    publish(lake, AFTER, "tue", TUESDAY)
    ids = field_ids(lake)
    row = dict.fromkeys(table.contract.schema) | {"day": "tue"}
    with pytest.raises(PipelineError, match=f"cinema.films: .*{said}.*; ") as refused:
        publish(lake, table, "tue", [row])
    assert "\n" not in str(refused.value)
    assert (field_ids(lake), read_by_sql(lake)) == (ids, BOTH)


def test_a_dropped_column_may_come_back_as_what_it_was(lake: Lake) -> None:
    class Returned(Contract):
        """The same columns, and the one that was dropped."""

        day: String = Field()
        title: String = Field()
        old: String = Field(nullable=True)

    publish(lake, AFTER, "tue", TUESDAY)
    publish(lake, films(Returned), "wed", [{"day": "wed", "title": "Up", "old": "y"}])
    assert [row["old"] for row in read_by_sql(lake)] == ["x", None, "y"]


def test_an_unchanged_contract_leaves_the_schema_alone(lake: Lake) -> None:
    publish(lake, BEFORE, "tue", MONDAY_AS_TUESDAY)
    iceberg = lake.load(BEFORE)
    assert iceberg is not None
    assert len(iceberg.schemas()) == 1


MONDAY_AS_TUESDAY = [MONDAY[0] | {"day": "tue"}]
