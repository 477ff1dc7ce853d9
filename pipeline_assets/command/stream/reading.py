"""What `update` does about a stream before it looks at what has landed: reads it to its tip."""

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg

from pipeline_assets.command.batches import Batch
from pipeline_assets.command.runs import Outcome
from pipeline_assets.command.update import Updater
from pipeline_assets.orchestration.stream_batches import StreamBatches, batches_of_stream
from pipeline_assets.orchestration.told import add_keys


def read_stream(updater: Updater, *, accepts_loss: bool = False) -> Iterator[Outcome]:
    """Read all that has come to the stream, batch by batch, each in a run of its own.

    It ends with the first batch that fails: those behind it have to wait.

    Args:
        updater: Of the lake; where it knows no asset that reads a stream, nothing is read.
        accepts_loss: Whether to go on with what is left of records that were dropped.

    Raises:
        PipelineError: The lake or the stream cannot be read, or the stream has dropped records that
            were not read yet.
    """
    batches = batches_of_stream(updater.assets, updater.deployment)
    if batches is None:
        return
    while following := batches.follow(accepts_loss=accepts_loss):
        asset = batches.asset
        _register(batches, following.key, updater)
        runs = replace(updater.runs, config=following.run_config(asset))
        for outcome in runs.outcomes([Batch((asset,), (following.key,))]):
            yield outcome
            if outcome.faults:
                return


def _register(batches: StreamBatches, key: str, updater: Updater) -> None:
    definition = batches.asset.partitioning and batches.asset.partitioning.definition
    name = definition.name if isinstance(definition, dg.DynamicPartitionsDefinition) else None
    if name:
        add_keys(updater.instance, name, [key])
        for outdated in batches.outdated_keys(updater.instance):
            updater.instance.delete_dynamic_partition(name, outdated)
