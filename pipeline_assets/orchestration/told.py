"""What Dagster is told before an update: new keys, new objects, and which runs are dead."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import dagster as dg

from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.iceberg.catalog import one_line_errors
from pipeline_assets.landing.zone import Listing
from pipeline_assets.orchestration.processes import is_lost

KEEP_RECORDS: Final = "read or write Dagster's records"
_UNFINISHED: Final = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@one_line_errors(KEEP_RECORDS)
def register(
    instance: dg.DagsterInstance,
    sources: Iterable[LandingSource],
    listings: Mapping[str, Listing],
) -> None:
    """Tell Dagster of new partition keys and of new or overwritten objects.

    Raises:
        PipelineError: Dagster's storage cannot be read or written, as on a disk that is full.
    """
    for source in sources:
        partitions = listings[source.key.to_user_string()].partitions
        definition = source.partitioning.definition
        if isinstance(definition, dg.DynamicPartitionsDefinition) and definition.name:
            add_keys(instance, definition.name, partitions)
        for event in source.unreported(partitions, instance):
            instance.report_runless_asset_event(event)


@one_line_errors(KEEP_RECORDS)
def fail_abandoned_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail runs of updates whose process is gone, and return their ids.

    Raises:
        PipelineError: Dagster's storage cannot be read or written.
    """
    running = instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED))
    dead = [record.dagster_run for record in running if is_lost(record)]
    for run in dead:
        instance.report_run_failed(run, "The process that executed this run is gone.")
    return [run.run_id for run in dead]


def add_keys(instance: dg.DagsterInstance, name: str, keys: Collection[str]) -> None:
    """Add those partition keys that Dagster does not know yet.

    Dagster looks which of them it knows and then adds the others. Where another process adds one
    in between, its database refuses ours, which are added at the next try.
    """
    from sqlalchemy.exc import IntegrityError

    for is_last in (False, False, True):
        missing = sorted(set(keys) - set(instance.get_dynamic_partitions(name)))
        try:
            if missing:
                instance.add_dynamic_partitions(name, missing)
            return
        except IntegrityError:
            if is_last:
                raise
