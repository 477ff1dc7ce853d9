"""What a publish looked like is measured, kept and compared."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import duckdb
import hypothesis.strategies as st
import ibis
import pyarrow as pa
import pytest
from hypothesis import given

from pipeline_assets.dataset.contract import (
    Contract,
    Double,
    Field,
    Int,
    Long,
    String,
    TableContract,
)
from pipeline_assets.dataset.values.table import LakeTable, PartitionRecord
from pipeline_assets.engines.embedded.audits import summary_queries
from pipeline_assets.iceberg.growing_tables import compact
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.profiles.drift import Drift, drifts
from pipeline_assets.profiles.profiles import (
    PROFILES,
    ColumnProfile,
    append_profiles,
    measures,
    profile_of,
    published_profiles,
)
from pipeline_assets.publish.audit import OUTPUT, build_audit
from pipeline_assets.settings import Settings
from pipeline_assets_tests.diary.bench import diary, land


class Shown(Contract):
    """One row per impression."""

    sample_id: Long = Field(description="Id.")
    click: Int = Field(isin=[0, 1], description="Whether it was clicked.")
    price: Double = Field(nullable=True, description="What it costs.")
    name: String = Field(nullable=True, description="What it is.")
    day: String = Field(description="When.")


CONTRACT = TableContract.of(Shown)
TABLE = LakeTable("shop", "shown", CONTRACT, "day")
SCHEMA = CONTRACT.schema.to_pyarrow()


def profile(rows: list[tuple[int, float | None, str | None]]) -> tuple[ColumnProfile, ...]:
    """Through the audit's SQL, as the embedded engine runs it."""
    table = ibis.table(CONTRACT.schema, name=OUTPUT)
    audit = build_audit(table, {}, CONTRACT.checks, {}, "duckdb", measures(table, CONTRACT, "day"))
    columns = ("click", "price", "name")
    data = [{"sample_id": 1, "day": "mon", **dict(zip(columns, row, strict=True))} for row in rows]
    with duckdb.connect() as connection:
        connection.register(OUTPUT, pa.Table.from_pylist(data, schema=SCHEMA))
        (sql,) = summary_queries(audit)
        answer = connection.execute(sql)
        names = [column[0] for column in answer.description or ()]
        (row,) = answer.fetchall()
    return profile_of(dict(zip(names, row, strict=True)), CONTRACT, "day")


def test_counts_shares_means_and_deviations_are_measured_in_the_audit() -> None:
    found = profile([(1, 2.0, "a"), (0, 4.0, None), (0, None, "b"), (0, 6.0, "c")])
    assert found == (
        ColumnProfile("sample_id", None, 4, 0.0),
        ColumnProfile("click", None, 4, 0.0),
        ColumnProfile("click", "0", 4, 0.75),
        ColumnProfile("click", "1", 4, 0.25),
        ColumnProfile("price", None, 4, 0.25, 4.0, 2.0),
        ColumnProfile("name", None, 4, 0.25),
    )


def test_no_rows_have_no_shares() -> None:
    assert profile([])[1] == ColumnProfile("click", None, 0, None)


def test_numbers_beyond_measure_do_not_stop_a_publish() -> None:
    found = profile([(0, value, "a") for value in (1.0, 3.0, 1e300, math.inf, math.nan)])
    assert found[4] == ColumnProfile("price", None, 5, 0.0, 2.0, math.sqrt(2))


USUAL = (
    ColumnProfile("click", "1", 10_000, 0.04),
    ColumnProfile("price", None, 10_000, 0.0, 20.0, 5.0),
)


def changed(**changes: float) -> list[str]:
    """Measures that have drifted when all columns change alike."""
    now = [replace(each, **changes) for each in USUAL]  # type: ignore[arg-type]
    return [drift.measure for drift in drifts("now", now, [USUAL, USUAL, USUAL])]


def test_what_is_as_before_has_not_drifted() -> None:
    assert changed() == []
    assert changed(rows=13_000, mean=21.0, deviation=6.0) == []


@pytest.mark.parametrize(
    ("changes", "measure"),
    [
        ({"rows": 2_000}, "rows"),
        ({"rows": 30_000}, "rows"),
        ({"mean": 23.0}, "mean of `price`"),
        ({"deviation": 12.0}, "deviation of `price`"),
    ],
)
def test_what_is_far_from_before_has_drifted(changes: dict[str, float], measure: str) -> None:
    assert changed(**changes) == [measure]


def test_click_rate_and_nulls_drift() -> None:
    now = [replace(USUAL[0], share=0.08), replace(USUAL[1], share=0.05)]
    assert list(drifts("tue", now, [USUAL])) == [
        Drift("tue", "share of `click` that is 1", 0.04, 0.08),
        Drift("tue", "share of `price` that is null", 0.0, 0.05),
    ]


def test_one_strange_day_before_is_no_measure() -> None:
    strange = [replace(each, rows=1, share=0.9, mean=900.0) for each in USUAL]
    assert list(drifts("now", USUAL, [USUAL, strange, USUAL])) == []


def test_with_nothing_before_nothing_drifts() -> None:
    assert list(drifts("now", USUAL, [])) == []


@given(st.integers(0, 30), st.integers(0, 30))
def test_few_rows_differ_by_chance(before: int, now: int) -> None:
    def few(clicks: int) -> list[ColumnProfile]:
        return [ColumnProfile("click", "1", 30, clicks / 30)]

    if abs(before - now) <= 6:
        assert list(drifts("now", few(now), [few(before)])) == []


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Deployment(settings).lake


def record(run_id: str) -> PartitionRecord:
    return PartitionRecord("v", {}, "c", run_id, 0, 0)


def test_a_profile_counts_as_long_as_its_publish_is_in_force(lake: Lake) -> None:
    append_profiles(lake, TABLE, {"mon": USUAL, "tue": USUAL[:1]}, "first")
    append_profiles(lake, TABLE, {"mon": USUAL[1:]}, "again")
    records = {"mon": record("again"), "tue": record("first"), "wed": record("first")}
    assert published_profiles(lake, TABLE, records) == {"mon": USUAL[1:], "tue": USUAL[:1]}
    assert published_profiles(lake, TABLE, {"mon": record("restored")}) == {}


def test_publishes_at_the_same_moment_lose_no_profile(settings: Settings) -> None:
    def one(number: int) -> None:
        append_profiles(Deployment(settings).lake, TABLE, {f"d{number}": USUAL}, "run")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(12)))
    lake = Deployment(settings).lake
    days = {f"d{number}": record("run") for number in range(12)}
    assert published_profiles(lake, TABLE, days) == dict.fromkeys(days, USUAL)
    compact(lake, PROFILES)
    assert len(lake.read(PROFILES).files) == 1
    assert published_profiles(lake, TABLE, days) == dict.fromkeys(days, USUAL)


def test_a_publish_is_compared_with_what_it_replaces(settings: Settings) -> None:
    bench = diary(settings)
    checks: list[tuple[bool, int]] = []
    for pages in (1, 1, 80):
        land(bench, "mon", one="ada: hello\nbob: goodbye\n" * pages)
        (evaluation,) = (
            each
            for each in bench.run("mon").get_asset_check_evaluations()
            if each.check_name == "like_before" and each.asset_key.path[-1] == "entries"
        )
        compared = evaluation.metadata["compared_partitions"].value
        checks.append((evaluation.passed, int(str(compared))))
    assert checks == [(True, 0), (True, 1), (False, 1)]
    ((rows,),) = bench.query("SELECT count(*) FROM diary.entries")
    assert rows == 160, "a warning keeps nothing from being published"
