"""The sensor that retries failed runs.

It retries runs that a sensor or an automation condition has started, because nobody watches those;
whoever starts a run or a backfill by hand sees it fail. A retry materialises only the assets that
its run has not materialised and that no newer run selects.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.orchestration.alerts.run_events import (
    RETRY_NUMBER_TAG,
    is_automatic,
    retry_number,
    run_outcome,
)
from pipeline_assets.orchestration.divided_ranges import PARTITION_TAGS
from pipeline_assets.orchestration.sensors.downstream import LANDING_TAG, OBJECTS_TAG
from pipeline_assets.orchestration.sensors.failed_runs import failed_since, unfinished_assets
from pipeline_assets.orchestration.sensors.retry_waits import GRACE, is_due
from pipeline_assets.publish.repeated_runs import RETRY_OF_TAG

RETRIES_AT_ONCE: Final = 50
_INHERITED: Final = (*PARTITION_TAGS, LANDING_TAG, OBJECTS_TAG)


def retry_sensor(
    assets: Sequence[LakeAsset], waits: Sequence[float], seconds: int
) -> dg.SensorDefinition:
    """The sensor that retries failed runs.

    Args:
        assets: The assets that may be retried.
        waits: Seconds to wait before each retry; without any the sensor is stopped.
        seconds: Time between two ticks.
    """
    retries = Retries(frozenset(asset.name for asset in assets), tuple(waits))
    status = dg.DefaultSensorStatus.RUNNING if waits else dg.DefaultSensorStatus.STOPPED
    return dg.SensorDefinition(
        name="retries",
        description="Retries failed runs that sensors have started, after longer and longer waits.",
        evaluation_fn=retries.evaluate,
        # Dagster requires one partitioning of all assets of a `target`, but not of a selection.
        asset_selection=dg.AssetSelection.assets(*sorted(asset.key for asset in assets)),
        minimum_interval_seconds=seconds,
        default_status=status,
    )


@dataclass(frozen=True)
class Retries:
    """Retries failed runs.

    Attributes:
        assets: Names of the assets that may be retried.
        waits: Seconds to wait before each retry.
        clock: Seconds since 1970.
    """

    assets: frozenset[str]
    waits: tuple[float, ...]
    clock: Callable[[], float] = time.time

    def evaluate(self, context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """One tick of the sensor."""
        instance = context.instance
        since = self.clock() - max(self.waits, default=0.0) - GRACE
        found = failed_since(instance, since)
        failed = [record for record in found if is_automatic(record.dagster_run)]
        requests = list(islice(self._requests(instance, failed), RETRIES_AT_ONCE))
        reason = f"of {len(failed)} failed runs none has to be tried again now"
        return dg.SensorResult(run_requests=requests, skip_reason=None if requests else reason)

    def _requests(
        self, instance: dg.DagsterInstance, failed: Iterable[dg.RunRecord]
    ) -> Iterator[dg.RunRequest]:
        for record in failed:
            run = record.dagster_run
            ended = record.end_time or record.update_timestamp.timestamp()
            if not is_due(retry_number(run), ended, self.waits, self.clock()):
                continue
            names = unfinished_assets(instance, record, self.assets)
            outcome = run_outcome(instance, run) if names else None
            # The same input would fail the same audit again, so a refused run is not retried. A run
            # that Dagster retries itself does not count as failed.
            if outcome and outcome.is_final and not outcome.is_refused:
                yield _request(run, names)


def _request(run: dg.DagsterRun, names: frozenset[str]) -> dg.RunRequest:
    inherited = {tag: run.tags[tag] for tag in _INHERITED if tag in run.tags}
    number = {RETRY_OF_TAG: run.run_id, RETRY_NUMBER_TAG: str(retry_number(run) + 1)}
    return dg.RunRequest(
        # Dagster never starts two runs with one key, so no run is retried twice at once.
        run_key=run.run_id,
        asset_selection=[dg.AssetKey.from_user_string(name) for name in sorted(names)],
        tags={**inherited, **number},
    )
