"""The sensor that tries again what failed while nobody looked.

It looks after runs that a sensor or a condition has started; who starts a run or a backfill by hand
sees it fail. A retry makes only what its run has not made and what no newer run has taken over, and
nothing that is published from the same inputs already.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import dagster as dg

from pipeline_assets.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.orchestration.alerts.run_events import (
    RETRY_NUMBER_TAG,
    is_automatic,
    retry_number,
    run_outcome,
)
from pipeline_assets.orchestration.sensors.downstream import LANDING_TAG, OBJECTS_TAG
from pipeline_assets.orchestration.sensors.retry_waits import GRACE, is_time, left
from pipeline_assets.publish.repeated_runs import RETRY_OF_TAG

RETRIES_AT_ONCE: Final = 50
_PLACE: Final = (PARTITION_NAME_TAG, ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
_INHERITED: Final = (*_PLACE, LANDING_TAG, OBJECTS_TAG)


def retry_sensor(
    assets: Sequence[LakeAsset], waits: Sequence[float], seconds: int
) -> dg.SensorDefinition:
    """A sensor that tries again what failed.

    Args:
        assets: What may be tried again.
        waits: Before each further try, in seconds; without any it does not run by itself.
        seconds: How often it looks.
    """
    retries = Retries(frozenset(asset.name for asset in assets), tuple(waits))
    status = dg.DefaultSensorStatus.RUNNING if waits else dg.DefaultSensorStatus.STOPPED
    return dg.SensorDefinition(
        name="retries",
        description="Tries again what sensors have started and what failed, after growing waits.",
        evaluation_fn=retries.evaluate,
        # As `target` they would have to share one partitioning.
        asset_selection=dg.AssetSelection.assets(*sorted(asset.key for asset in assets)),
        minimum_interval_seconds=seconds,
        default_status=status,
    )


@dataclass(frozen=True)
class Retries:
    """Tries again what failed.

    Attributes:
        assets: What may be tried again, by name.
        waits: Before each further try, in seconds.
        clock: Seconds since 1970.
    """

    assets: frozenset[str]
    waits: tuple[float, ...]
    clock: Callable[[], float] = time.time

    def evaluate(self, context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """One tick of the sensor."""
        failed = list(self._failed(context.instance))
        due = [record for record in failed if self._is_time(record)]
        requests = list(islice(self._requests(context.instance, due), RETRIES_AT_ONCE))
        told = f"of {len(failed)} failed runs none has to be tried again now"
        return dg.SensorResult(run_requests=requests, skip_reason=None if requests else told)

    def _failed(self, instance: dg.DagsterInstance) -> Iterator[dg.RunRecord]:
        """Those that may have to be tried again at some time, oldest first."""
        since = self.clock() - max(self.waits, default=0.0) - GRACE
        recent = dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE], updated_after=datetime.fromtimestamp(since, UTC)
        )
        for record in instance.get_run_records(recent, ascending=True):
            if is_automatic(record.dagster_run):
                yield record

    def _is_time(self, record: dg.RunRecord) -> bool:
        ended = record.end_time or record.update_timestamp.timestamp()
        return is_time(retry_number(record.dagster_run), ended, self.waits, self.clock())

    def _requests(
        self, instance: dg.DagsterInstance, due: Sequence[dg.RunRecord]
    ) -> Iterator[dg.RunRequest]:
        for record in due:
            names = self._left(instance, record)
            if names and _may_be_tried_again(instance, record.dagster_run):
                yield _request(record.dagster_run, names)

    def _left(self, instance: dg.DagsterInstance, record: dg.RunRecord) -> frozenset[str]:
        run = record.dagster_run
        newer = [_names(each) for each in _newer(instance, record)]
        pending = left(_names(run) & self.assets, (), newer)
        # Most failed runs were taken over long ago: do not read their events at every tick.
        return left(pending, _made(instance, run.run_id), ()) if pending else pending


def _may_be_tried_again(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Neither Dagster does it by itself, nor would its audits refuse the same once more."""
    ended = run_outcome(instance, run)
    return ended.failed and not ended.is_refused


def _request(run: dg.DagsterRun, names: frozenset[str]) -> dg.RunRequest:
    inherited = {tag: run.tags[tag] for tag in _INHERITED if tag in run.tags}
    number = {RETRY_OF_TAG: run.run_id, RETRY_NUMBER_TAG: str(retry_number(run) + 1)}
    return dg.RunRequest(
        run_key=run.run_id,
        asset_selection=[dg.AssetKey.from_user_string(name) for name in sorted(names)],
        tags={**inherited, **number},
    )


def _newer(instance: dg.DagsterInstance, record: dg.RunRecord) -> Iterator[dg.DagsterRun]:
    """Runs for the same partitions that were started after a run."""
    place = _place(record.dagster_run)
    later = dg.RunsFilter(tags=place, created_after=record.create_timestamp)
    for run in instance.get_runs(later):
        if run.run_id != record.dagster_run.run_id and _place(run) == place:
            yield run


def _place(run: dg.DagsterRun) -> dict[str, str]:
    return {tag: run.tags[tag] for tag in _PLACE if tag in run.tags}


def _names(run: dg.DagsterRun) -> frozenset[str]:
    return frozenset(key.to_user_string() for key in run.asset_selection or ())


def _made(instance: dg.DagsterInstance, run_id: str) -> frozenset[str]:
    told = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    keys = (entry.get_dagster_event().asset_key for entry in told)
    return frozenset(key.to_user_string() for key in keys if key)
