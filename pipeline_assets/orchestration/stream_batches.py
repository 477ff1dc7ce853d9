"""A batch of a stream as a run of Dagster: which one follows, and how a run is told to read it.

The sensor of the stream and `pipeline-assets update` ask here. Batches follow one another: no batch
is sealed before the one before it is published, and a run that fails is tried again with the very
same ranges. Where the stream has been read to is what the newest published batch says.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from pipeline_assets.dagster_internals import PARTITION_NAME_TAG
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.config import plain
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.streams.batch import SealedBatch, key_after, newest_batch
from pipeline_assets.streams.event_stream import EventStream


@dataclass(frozen=True)
class NextBatch:
    """The batch that is to be read next.

    Attributes:
        key: Its partition key.
        sealed: What it reads.
    """

    key: str
    sealed: SealedBatch

    def run_config(self, asset: LakeAsset) -> dict[str, Any]:
        """What tells the run of the batch which records to read."""
        step = "__".join(asset.key.path)
        return {"ops": {step: {"config": plain(self.sealed)}}}


@dataclass(frozen=True)
class StreamBatches:
    """The batches of the stream of a deployment.

    Attributes:
        asset: The asset whose partitions are the batches.
        stream: The stream.
        deployment: Holds the lake.
    """

    asset: LakeAsset
    stream: EventStream
    deployment: Deployment

    def follow(
        self, looked_at: datetime | None = None, *, accepts_loss: bool = False
    ) -> NextBatch | None:
        """Seal the batch behind the one that was published last; None where nothing has come.

        Args:
            looked_at: When somebody has last found nothing behind that batch.
            accepts_loss: Whether to go on with what is left of records that were dropped.

        Raises:
            PipelineError: The lake or the stream cannot be read, or the stream has dropped records
                that were not read yet.
        """
        key, before = self._newest()
        sealer = self.stream.sealer(accepts_loss=accepts_loss)
        sealed = sealer.next_batch(before, datetime.now(UTC), looked_at)
        return NextBatch(key_after(key), sealed) if sealed else None

    def unpublished_run(self, instance: dg.DagsterInstance) -> dg.DagsterRun | None:
        """The newest run of the batch that is to be published next, if there was one.

        Raises:
            PipelineError: The lake cannot be read.
        """
        key, _ = self._newest()
        same = dg.RunsFilter(tags={PARTITION_NAME_TAG: key_after(key)})
        runs = (run for run in instance.get_runs(same) if self._is_ours(run))
        return next(runs, None)

    def outdated_keys(self, instance: dg.DagsterInstance) -> list[str]:
        """Keys that Dagster knows of batches which the lake no longer keeps.

        Raises:
            PipelineError: The lake cannot be read.
        """
        records = self.deployment.lake.records(self.asset.table)
        known = self.asset.partitioning.keys(instance) if self.asset.partitioning else ()
        first = min(records, default="")
        return [key for key in known if key < first]

    def _newest(self) -> tuple[str, SealedBatch | None]:
        published = self.deployment.lake.records(self.asset.table)
        return newest_batch(published, self.stream.address)

    def _is_ours(self, run: dg.DagsterRun) -> bool:
        return self.asset.key in (run.asset_selection or ())


def batches_of_stream(assets: Iterable[LakeAsset], deployment: Deployment) -> StreamBatches | None:
    """The batches of the deployment's stream; None where no stream is set, or nothing reads it."""
    readers = [asset for asset in assets if asset.keeps_newest]
    if deployment.stream is None or not readers:
        return None
    return StreamBatches(readers[0], deployment.stream, deployment)
