"""The sensor that reads a stream in batches, one after the other.

It seals the next batch, and requests a run whose config names the records. What it has read to is
in the lake, so a lost cursor is no loss. The cursor holds only when the stream was last found read
to its tip, which tells a stream that was quiet from one whose records were dropped unread.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.alerts.run_events import is_automatic, retry_number
from pipeline_assets.orchestration.stream_batches import NextBatch, StreamBatches

NAME: Final = "stream"
_OVER: Final = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED}


@dataclass(frozen=True)
class StreamWatch:
    """Watches one stream.

    Attributes:
        batches: Of the stream.
        waits: Seconds before each retry of a failed run.
        clock: Seconds since 1970.
    """

    batches: StreamBatches
    waits: tuple[float, ...]
    clock: Callable[[], float] = time.time

    def evaluate(self, context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """One tick of the sensor.

        Raises:
            PipelineError: The stream or the lake cannot be read, the stream has dropped records
                that were not read yet, or a batch has failed for good.
        """
        unpublished = self.batches.unpublished_run(context.instance)
        if unpublished and unpublished.status not in _OVER:
            return dg.SensorResult(skip_reason=self._waits_for(unpublished), cursor=context.cursor)
        looked_at = datetime.fromisoformat(context.cursor) if context.cursor else None
        now = datetime.fromtimestamp(self.clock(), UTC)
        following = self.batches.follow(looked_at)
        if following is None:
            return dg.SensorResult(
                skip_reason="nothing has come since the last batch", cursor=now.isoformat()
            )
        return self._requested(following, context)

    def _waits_for(self, run: dg.DagsterRun) -> str:
        """Why the next batch is not read yet.

        Raises:
            PipelineError: Nobody tries the failed one again.
        """
        if run.status != dg.DagsterRunStatus.FAILURE:
            return f"run {run.run_id} reads the batch before"
        if is_automatic(run) and retry_number(run) < len(self.waits):
            return f"run {run.run_id} has failed and will be tried again"
        raise PipelineError(
            f"The stream is not read on: its next batch failed for good in run {run.run_id}. Run "
            "it again with the same config when its cause is gone, or `pipeline-assets update`"
        )

    def _requested(
        self, following: NextBatch, context: dg.SensorEvaluationContext
    ) -> dg.SensorResult:
        asset = self.batches.asset
        definition = asset.partitioning.definition if asset.partitioning else None
        if not isinstance(definition, dg.DynamicPartitionsDefinition):
            raise TypeError(f"{asset.name} has no dynamic partitions")
        outdated = self.batches.outdated_keys(context.instance)
        deleted = [definition.build_delete_request(outdated)] if outdated else []
        sealed = following.sealed
        request = dg.RunRequest(
            run_key=f"{sealed.stream}/{following.key}/{sealed.sealed_at}",
            partition_key=following.key,
            asset_selection=[asset.key],
            run_config=following.run_config(asset),
        )
        context.log.info(f"batch {following.key}: {sealed.total:,} records of {sealed.ranges}")
        return dg.SensorResult(
            run_requests=[request],
            cursor=context.cursor,
            dynamic_partitions_requests=[definition.build_add_request([following.key]), *deleted],
        )


def stream_sensor(
    batches: StreamBatches, waits: tuple[float, ...], seconds: int
) -> dg.SensorDefinition:
    """The sensor of a stream.

    Args:
        batches: Of the stream.
        waits: Seconds before each retry of a failed run.
        seconds: Time between two ticks.
    """
    return dg.SensorDefinition(
        name=NAME,
        description=f"Reads `{batches.stream.name}` in batches: seals the next one, and requests "
        "its run.",
        evaluation_fn=StreamWatch(batches, waits).evaluate,
        target=dg.AssetSelection.assets(batches.asset.key),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
