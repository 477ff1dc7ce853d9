"""A sealed batch: which records of a stream one run reads, said so exactly that a retry reads them.

The run's config is the batch, and so is the record of what the run publishes. The newest record
therefore says where the stream has been read to, and nothing else has to remember it.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import dagster as dg
from pydantic import Field

from pipeline_assets.dataset.values.table import PartitionRecord

_DIGITS: Final = 9
_DIGEST: Final = 12


class SealedBatch(dg.Config):
    """Ranges of sequence numbers, and where they leave each shard."""

    stream: str = Field(default="", description="Name of the stream.")
    shards: list[str] = Field(
        default=[], description="Shards in the order of reading: parents before their children."
    )
    ranges: dict[str, list[str]] = Field(
        default={}, description="By shard, the sequence numbers of its first and its last record."
    )
    records: dict[str, int] = Field(
        default={}, description="By shard, how many records its range holds."
    )
    positions: dict[str, str] = Field(
        default={}, description="By shard, the sequence number of the last record ever read."
    )
    ended: list[str] = Field(default=[], description="Closed shards that are read to their end.")
    behind: list[str] = Field(
        default=[], description="Shards of which more was there when the batch was sealed."
    )
    sealed_at: str = Field(default="", description="When it was sealed, ISO 8601 in UTC.")

    @property
    def total(self) -> int:
        """How many records it holds."""
        return sum(self.records.values())


def newest_batch(
    published: Mapping[str, PartitionRecord], stream: str
) -> tuple[str, SealedBatch | None]:
    """Key of the batch that was published last, and the last one of a stream.

    A lake may read another stream than before, whose shards are called alike.

    Args:
        published: What the lake holds of each batch.
        stream: The stream.

    Returns:
        No key before there is a batch, and no batch before there is one of the stream.
    """
    newest_first = sorted(published, reverse=True)
    configs = (published[key].config or {} for key in newest_first)
    found = (SealedBatch(**config) for config in configs if config.get("stream") == stream)
    return next(iter(newest_first), ""), next(found, None)


def object_name(batch: SealedBatch) -> str:
    """How the objects of a batch are called: the same records make the same name.

    Names of later batches sort behind those of earlier ones.
    """
    ranges = json.dumps([batch.stream, batch.shards, batch.ranges], sort_keys=True)
    digest = hashlib.sha256(ranges.encode()).hexdigest()[:_DIGEST]
    moment = datetime.fromisoformat(batch.sealed_at).strftime("%Y%m%dT%H%M%S")
    return f"{batch.stream}-{moment}-{digest}.jsonl.gz"


def key_after(key: str) -> str:
    """The key of the batch that follows; keys are numbers that sort as texts.

    >>> key_after("000000041"), key_after("")
    ('000000042', '000000001')
    """
    return f"{int(key or 0) + 1:0{_DIGITS}}"
