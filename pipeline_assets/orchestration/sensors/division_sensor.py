"""The sensor that takes failed ranges apart, so that one bad partition never stops its neighbours.

Backfills and automation conditions materialise ranges of partitions in one run, which publishes all
of them or none. For a range that has failed this sensor requests a run of each half. What is
published by then is not computed again, and whoever launched the range gets all its tags and its
config applied to the halves.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import dagster as dg

from pipeline_assets.dagster_internals import (
    AUTOMATION_CONDITION_TAG,
    BACKFILL_ID_TAG,
    PARTITION_NAME_TAG,
)
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.orchestration.divided_ranges import (
    DIVIDED_TAG,
    UNCHANGED_TAG,
    Fate,
    fate_of,
    may_be_divided,
    range_of,
    range_tags,
    step_faults,
)
from pipeline_assets.orchestration.sensors.failed_runs import failed_since, unfinished_assets
from pipeline_assets.publish.repeated_runs import RETRY_OF_TAG

LOOK_BACK: Final = 86_400.0
"""For how many seconds a failed range waits to be divided: the daemon may have been down."""

REQUESTS_AT_ONCE: Final = 50
_DAGSTERS: Final = {BACKFILL_ID_TAG, AUTOMATION_CONDITION_TAG}


def division_sensor(assets: Sequence[LakeAsset], seconds: int) -> dg.SensorDefinition:
    """The sensor that divides failed ranges.

    Args:
        assets: The assets whose ranges are divided.
        seconds: Time between two ticks.
    """
    return dg.SensorDefinition(
        name="divisions",
        description="Divides a failed range of partitions until only what is bad is left.",
        evaluation_fn=Divisions({asset.name: asset for asset in assets}).evaluate,
        # Dagster requires one partitioning of all assets of a `target`, but not of a selection.
        asset_selection=dg.AssetSelection.assets(*sorted(asset.key for asset in assets)),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )


@dataclass(frozen=True)
class Divisions:
    """Divides failed ranges.

    Attributes:
        assets: The assets by name.
    """

    assets: Mapping[str, LakeAsset]

    def evaluate(self, context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """One tick of the sensor."""
        requests = list(islice(self._requests(context.instance), REQUESTS_AT_ONCE))
        reason = "no range of partitions has failed that has to be divided now"
        return dg.SensorResult(run_requests=requests, skip_reason=None if requests else reason)

    def _requests(self, instance: dg.DagsterInstance) -> Iterator[dg.RunRequest]:
        for record in failed_since(instance, time.time() - LOOK_BACK):
            run = record.dagster_run
            if not may_be_divided(run) or _is_divided(instance, run):
                continue
            fate = fate_of(instance, run, step_faults(instance, run.run_id))
            if fate.kind == "divided":
                names = unfinished_assets(instance, record, frozenset(self.assets))
                yield from self._halves(instance, run, names, fate)

    def _halves(
        self, instance: dg.DagsterInstance, run: dg.DagsterRun, names: frozenset[str], fate: Fate
    ) -> Iterator[dg.RunRequest]:
        keys = self._keys(instance, run, names)
        middle = len(keys) // 2
        for place, half in enumerate((keys[:middle], keys[middle:]) if middle else ()):
            yield dg.RunRequest(
                # Dagster never starts two runs with one key, so no half is requested twice.
                run_key=f"{run.run_id}/{place}",
                asset_selection=[dg.AssetKey.from_user_string(name) for name in sorted(names)],
                run_config=config_of(run, names),
                tags={
                    **_inherited(run),
                    **_partitions(half),
                    RETRY_OF_TAG: run.run_id,
                    DIVIDED_TAG: run.run_id,
                    UNCHANGED_TAG: str(fate.unchanged),
                },
            )

    def _keys(
        self, instance: dg.DagsterInstance, run: dg.DagsterRun, names: frozenset[str]
    ) -> Sequence[str]:
        """The partitions of the range; none if a newer run has taken its place."""
        ends = range_of(run)
        partitionings = [self.assets[name].partitioning for name in sorted(names)]
        partitioning = next((it for it in partitionings if it), None)
        return partitioning.keys_between(*ends, instance) if partitioning and ends else []


def _is_divided(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    halves = dg.RunsFilter(tags={DIVIDED_TAG: run.run_id})
    return bool(instance.get_run_ids(halves, limit=1))


def _inherited(run: dg.DagsterRun) -> dict[str, str]:
    """The tags of people, ours, and those by which a backfill knows its runs."""
    return {
        tag: value
        for tag, value in run.tags.items()
        if tag in _DAGSTERS or not tag.startswith(("dagster/", "."))
    }


def _partitions(keys: Sequence[str]) -> dict[str, str]:
    return range_tags(keys) or {PARTITION_NAME_TAG: keys[0]}


def config_of(run: dg.DagsterRun, names: frozenset[str]) -> dict[str, Any]:
    """The run's config, without that of assets which it has materialised."""
    steps = {name.replace("/", "__") for name in names}
    config: dict[str, Any] = dict(run.run_config)
    if "ops" in config:
        config["ops"] = {step: it for step, it in config["ops"].items() if step in steps}
    return config
