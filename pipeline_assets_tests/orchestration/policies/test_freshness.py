"""What is due when, and what happens when it is not there."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import hypothesis.strategies as st
import pytest
from dagster._core.definitions.freshness import CronFreshnessPolicy
from hypothesis import given

from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.definitions import DATASETS, assets_for, build_definitions
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.policies.completeness import NAME, completeness
from pipeline_assets.orchestration.policies.freshness import describe, freshness_of, settle_of
from pipeline_assets.partitions import windows
from pipeline_assets.settings import Settings
from pipeline_assets_tests.conftest import MakeSettings

ASSETS = DATASETS.assets

RENTALS = ("rentals", "warehouse")
"""Domains whose windows are a setting."""
START = date(2026, 1, 1)
DAYS, HOURS = windows("daily", START), windows("hourly", START)
DUE = datetime(2026, 1, 6, 1, tzinfo=UTC)


def test_every_asset_has_a_promise_that_can_be_told() -> None:
    assert all(describe(freshness_of(asset)).startswith("materialised in the ") for asset in ASSETS)


@pytest.mark.parametrize(
    ("granularity", "crons"),
    [
        ("daily", {"0 6 * * *", "0 7 * * *", "0 8 * * *"}),
        ("hourly", {"20 * * * *", "35 * * * *", "50 * * * *"}),
    ],
)
def test_layers_are_due_one_after_the_other(
    make_settings: MakeSettings, granularity: str, crons: set[str]
) -> None:
    assets = assets_for(make_settings(rentals_granularity=granularity))
    policies = [freshness_of(asset) for asset in assets if asset.table.namespace in RENTALS]
    found = {item.deadline_cron for item in policies if isinstance(item, CronFreshnessPolicy)}
    assert found == crons


def test_what_is_there_is_not_missing() -> None:
    days = [f"2026-01-0{day}" for day in range(2, 6)]
    assert completeness(DAYS, days, DUE).missing == ()


def test_the_last_window_and_gaps_are_missing_and_what_came_before_the_first_is_not() -> None:
    found = completeness(DAYS, ["2026-01-02", "2026-01-04"], DUE)
    assert (found.first, found.last) == ("2026-01-02", "2026-01-05")
    assert found.missing == ("2026-01-03", "2026-01-05")


def test_a_window_that_is_there_early_is_no_fault() -> None:
    assert completeness(DAYS, ["2026-01-05", "2026-01-06"], DUE).missing == ()
    assert completeness(DAYS, ["2026-01-09"], DUE).missing == ("2026-01-05",)


def test_where_nothing_was_published_the_last_window_is_missing() -> None:
    assert completeness(DAYS, [], DUE).missing == ("2026-01-05",)


def test_before_the_first_window_has_ended_nothing_is_due() -> None:
    assert completeness(DAYS, [], datetime(2026, 1, 1, 12, tzinfo=UTC)).missing == ()


@given(st.sets(st.integers(0, 23), min_size=1), st.integers(0, 23))
def test_hours_are_missing_exactly_where_they_are_not_there(there: set[int], last: int) -> None:
    until = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=last + 1)
    found = completeness(HOURS, [f"2026-01-01T{hour:02}" for hour in there], until)
    due = range(min(*there, last), last + 1)
    assert found.missing == tuple(f"2026-01-01T{hour:02}" for hour in due if hour not in there)


@pytest.fixture
def purchases(settings: Settings) -> tuple[dg.Definitions, Callable[..., None]]:
    """The definitions, and a function that publishes days of purchases without rows."""
    (asset,) = (it for it in assets_for(settings) if it.name == "rentals/user_purchases")

    def publish(*days: str) -> None:
        records = {day: PartitionRecord("v", {}, "c", "r", 0, 0) for day in days}
        Deployment(settings).lake.publish(asset.table, [], records)

    return build_definitions(settings), publish


def check(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    key = dg.AssetCheckKey(dg.AssetKey(["rentals", "user_purchases"]), NAME)
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.get_subset(asset_check_selection={key}, asset_selection=set()).execute_in_process(
        instance=instance, raise_on_error=True
    )
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


def test_the_check_sees_what_freshness_does_not(
    purchases: tuple[dg.Definitions, Callable[..., None]], instance: dg.DagsterInstance
) -> None:
    """An old day that was filled today makes an asset fresh; the check says which are missing."""
    definitions, publish = purchases
    (asset,) = (it for it in ASSETS if it.name == "rentals/user_purchases")
    settle = settle_of(asset)
    assert settle
    last = (datetime.now(UTC) - settle).date() - timedelta(days=1)
    days = [(last - timedelta(days=back)).isoformat() for back in range(4)]
    publish(days[3], days[0])
    evaluation = check(definitions, instance)
    assert not evaluation.passed
    assert evaluation.metadata["missing_windows"].value == [days[2], days[1]]
    publish(days[1], days[2])
    assert check(definitions, instance).passed
