"""What partitions have cost, as Dagster remembers it."""

import dagster as dg
import pytest

from pipeline_assets.environments.costs import Cost, cost_of

KEY = dg.AssetKey(["music", "plays"])
DAYS = dg.StaticPartitionsDefinition(["mon", "tue", "wed"])


def made(instance: dg.DagsterInstance, cost: dict[str, float], *days: str) -> None:
    """One run that has made some days together, as the engine told its cost."""

    @dg.asset(key=KEY, partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def plays() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata=cost)

    tags = {
        "dagster/asset_partition_range_start": days[0],
        "dagster/asset_partition_range_end": days[-1],
    }
    assert dg.materialize([plays], instance=instance, tags=tags).success


@pytest.fixture
def known(instance: dg.DagsterInstance) -> dg.DagsterInstance:
    made(instance, {"seconds/write": 9.0, "seconds/audit": 1.0}, "mon", "tue")
    made(instance, {"seconds/write": 3.0, "job/estimated_cost_usd": 0.5, "rows": 7}, "tue")
    return instance


def test_the_last_time_counts_and_who_was_made_together_shares(known: dg.DagsterInstance) -> None:
    assert cost_of(known, KEY, ["mon"]) == Cost(1, 5.0, None)
    assert cost_of(known, KEY, ["tue"]) == Cost(1, 3.0, 0.5)
    assert cost_of(known, KEY, ["mon", "tue", "wed"]) == Cost(2, 8.0, 0.5)


def test_of_what_was_never_made_nothing_is_known(known: dg.DagsterInstance) -> None:
    assert cost_of(known, KEY, ["wed"]) == Cost(0, 0.0, None)
    assert cost_of(known, dg.AssetKey(["music", "other"]), ["mon"]) == Cost(0, 0.0, None)
