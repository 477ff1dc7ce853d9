"""What failed runs have left to do, for the sensors that start it again."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from pipeline_assets.orchestration.divided_ranges import partition_tags
from pipeline_assets.orchestration.sensors.retry_waits import remaining_assets


def failed_since(instance: dg.DagsterInstance, moment: float) -> list[dg.RunRecord]:
    """The runs that have failed since a moment, in seconds since 1970; the oldest comes first."""
    recent = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE], updated_after=datetime.fromtimestamp(moment, UTC)
    )
    return list(instance.get_run_records(recent, ascending=True))


def unfinished_assets(
    instance: dg.DagsterInstance, record: dg.RunRecord, known: frozenset[str]
) -> frozenset[str]:
    """The assets that a failed run has not materialised and that no newer run selects.

    Args:
        instance: Holds the runs.
        record: The failed run.
        known: Names of the assets that there are.
    """
    run = record.dagster_run
    newer = [_asset_names(each) for each in _newer_runs(instance, record)]
    remaining = remaining_assets(_asset_names(run) & known, (), newer)
    if not remaining:
        # Newer runs have replaced most failed runs: reading their events at every tick would
        # be wasted.
        return remaining
    events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    keys = (entry.get_dagster_event().asset_key for entry in events)
    return remaining_assets(remaining, [key.to_user_string() for key in keys if key], ())


def _newer_runs(instance: dg.DagsterInstance, record: dg.RunRecord) -> Iterator[dg.DagsterRun]:
    """Runs of the same partitions that were started later."""
    partition = partition_tags(record.dagster_run)
    later = dg.RunsFilter(tags=partition, created_after=record.create_timestamp)
    for run in instance.get_runs(later):
        if run.run_id != record.dagster_run.run_id and partition_tags(run) == partition:
            yield run


def _asset_names(run: dg.DagsterRun) -> frozenset[str]:
    return frozenset(key.to_user_string() for key in run.asset_selection or ())
