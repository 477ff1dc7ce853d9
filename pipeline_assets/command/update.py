"""Brings the lake up to date: materialises what a survey has found stale, through Dagster.

This is what `pipeline-assets update` does, with or without a running daemon. It finds what is stale
by comparing versions, never dates, and records its runs in the instance that the UI shows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import dagster as dg

from pipeline_assets.command.batches import Batch
from pipeline_assets.command.runs import Outcome, Runs
from pipeline_assets.command.survey import Survey
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.orchestration.jobs import update_job_name
from pipeline_assets.publish.checks.delivery import ACCEPT_TAG
from pipeline_assets.publish.io_managers import WITHDRAW_TAG
from pipeline_assets.publish.run_config import DECLARED_TAG


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
