"""Brings the lake up to date: materialises what a survey has found stale, through Dagster.

This is what `pipeline-assets update` does, with or without a running daemon. It finds what is stale
by comparing versions, never dates, and records its runs in the instance that the UI shows.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import dagster as dg

from pipeline_assets.command.batches import Batch
from pipeline_assets.command.runs import Outcome, Runs
from pipeline_assets.command.survey import KEEP_RECORDS, Survey
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.iceberg.catalog import one_line_errors
from pipeline_assets.landing.zone import Listing
from pipeline_assets.orchestration.jobs import update_job_name
from pipeline_assets.orchestration.processes import is_lost
from pipeline_assets.publish.checks.delivery import ACCEPT_TAG
from pipeline_assets.publish.io_managers import WITHDRAW_TAG
from pipeline_assets.publish.run_config import DECLARED_TAG

_UNFINISHED: Final = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dataclass(frozen=True)
class Updater(Survey):
    """Updates one lake.

    Attributes:
        instance: Where runs are recorded, and where the UI reads them.
        definitions: The code location.
    """

    instance: dg.DagsterInstance
    definitions: dg.Definitions = field(kw_only=True)

    def run(
        self, batches: Iterable[Batch], *, accepts: bool = False, withdraws: bool = False
    ) -> Iterator[Outcome]:
        """Materialise batches; see :meth:`pipeline_assets.command.runs.Runs.outcomes`.

        Args:
            batches: What to materialise.
            accepts: Whether deliveries that would be refused are accepted.
            withdraws: Whether partitions follow a vendor who has withdrawn some or all objects.
        """
        asked = {ACCEPT_TAG: accepts, WITHDRAW_TAG: withdraws}
        tags = {tag: "true" for tag, is_asked in asked.items() if is_asked}
        return replace(self.runs, tags={**self.runs.tags, **tags}).outcomes(batches)

    @property
    def runs(self) -> Runs:
        """What executes batches in this process."""
        tags = {} if self.keeps_overrides else {DECLARED_TAG: "true"}
        return Runs(self._job, self.instance, tags)

    def _job(self, batch: Batch) -> dg.JobDefinition:
        column = batch.assets[0].table.partition_column
        return self.definitions.resolve_job_def(update_job_name(column))

    def audit(self, asset: LakeAsset) -> Sequence[dg.AssetCheckEvaluation]:
        """Audit what is published of an asset; see :meth:`pipeline_assets.command.runs.Runs`."""
        return self.runs.audit(asset, self.definitions.resolve_implicit_global_asset_job_def())


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
