"""Sealing the next batch: what has come to a stream since the batch before it.

Kinesis does not say where a shard ends without handing out the records, so they are read here to
find the last sequence number, and once more by the run that the batch is sealed for.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pipeline_assets.errors import PipelineError
from pipeline_assets.streams.batch import SealedBatch
from pipeline_assets.streams.kinesis import Records, Shard, ShardReader

_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_NOTHING: Final = SealedBatch()


@dataclass(frozen=True)
class Limit:
    """How much of each shard a batch holds at most; the page that reaches it is read whole."""

    records: int = 50_000
    bytes: int = 64 * 1024 * 1024

    def shared_by(self, shards: int) -> "Limit":
        """The part of each of some shards."""
        return Limit(max(self.records // max(shards, 1), 1), max(self.bytes // max(shards, 1), 1))


@dataclass(frozen=True)
class Sighted:
    """What of one shard is not read yet, up to the limit.

    Attributes:
        records: How many records there are.
        first: Sequence number of the first one; empty if there is none.
        last: Of the last one.
        follows: Whether the last record that was read is still there, so that none can have been
            dropped behind it.
        is_end: Whether the shard is closed behind them.
        is_behind: Whether more follow.
    """

    records: int
    first: str
    last: str
    follows: bool
    is_end: bool
    is_behind: bool


@dataclass(frozen=True)
class Sealer:
    """Seals batches of one stream.

    Attributes:
        reader: Of the stream.
        limit: Of a batch.
        accepts_loss: Whether somebody knows that records are lost, and wants to go on with the
            oldest that are left.
    """

    reader: ShardReader
    limit: Limit = Limit()
    accepts_loss: bool = False

    def next_batch(
        self, before: SealedBatch | None, now: datetime, looked_at: datetime | None = None
    ) -> SealedBatch | None:
        """The batch that follows another one; None where nothing has come since.

        A shard is read once all of its parents are read to their end.

        Args:
            before: The batch that was published last; None for the first one.
            now: The time in UTC.
            looked_at: When somebody has last found that nothing has come since that batch.

        Raises:
            PipelineError: The stream cannot be read, or has dropped records that were not read yet.
        """
        before = before or _NOTHING
        shards = self.reader.shards()
        listed = {shard.id for shard in shards}
        ended = [name for name in before.ended if name in listed]
        part = self.limit.shared_by(len(listed) - len(ended))
        found: dict[str, Sighted] = {}
        for shard in shards:
            if shard.id in ended or not _is_due(shard, listed, ended):
                continue
            sighted = self._sighted(shard.id, before.positions.get(shard.id), part)
            if not sighted.follows and not self.accepts_loss:
                self._require_nothing_lost(shard.id, before, now, looked_at)
            found[shard.id] = sighted
            if sighted.is_end:
                ended.append(shard.id)
        return _batch(self.reader.stream, before, found, (listed, ended), now)

    def _sighted(self, shard: str, position: str | None, part: Limit) -> Sighted:
        """Read a shard from the last record that was read, which shows that it is there."""
        seen: list[str] = []
        size, wanted = 0, part.records + (position is not None)
        page = None
        for page in self.reader.pages(shard, position, wanted):
            seen += page.records.sequences
            size += page.records.size
            if len(seen) >= wanted or size >= part.bytes:
                break
        follows = position is None or seen[:1] == [position]
        new = seen[1:] if position and follows else seen
        is_end = page is None or page.is_end
        is_behind = not is_end and not (page is not None and page.is_tip)
        first, last = (new[0], new[-1]) if new else ("", "")
        return Sighted(len(new), first, last, follows, is_end, is_behind)

    def _require_nothing_lost(
        self, shard: str, before: SealedBatch, now: datetime, looked_at: datetime | None
    ) -> None:
        """Tell a shard that was quiet for long from one whose records went before they were read.

        Raises:
            PipelineError: Records may have come and gone since the shard was last read to its tip.
        """
        hours = self.reader.hours_kept()
        kept_since = now - timedelta(hours=hours) + _CLOCKS_DIFFER
        sealed_at = datetime.fromisoformat(before.sealed_at)
        tip = None if shard in before.behind else sealed_at
        if looked_at and looked_at > sealed_at:
            tip = looked_at
        if tip is None or tip < kept_since:
            raise PipelineError(
                f"{self.reader.stream} {shard}: the last record that was read, "
                f"{before.positions[shard]} of the batch sealed at {before.sealed_at}, is dropped, "
                f"and so is whatever followed it for more than {hours} h: nothing of the stream is "
                "read until somebody accepts that loss with `pipeline-assets update --accept`"
            )


def records_of(reader: ShardReader, batch: SealedBatch, shard: str) -> Records:
    """The records of a sealed range, exactly those.

    Raises:
        PipelineError: The stream cannot be read, or some of the records are dropped; the message
            says how many.
    """
    first, last = batch.ranges[shard]
    sealed = batch.records[shard]
    pages: list[Records] = []
    for page in reader.pages(shard, first, sealed):
        pages.append(page.records)
        if sum(map(len, pages)) >= sealed:
            break
    whole = Records.joined(pages).between(first, last)
    if len(whole) != sealed:
        raise PipelineError(
            f"{batch.stream} {shard}: of the {sealed:,} records from {first} to {last} the stream "
            f"holds {len(whole):,}, so {sealed - len(whole):,} were dropped before they were read; "
            "`pipeline-assets update --accept` goes on with what is left"
        )
    return whole


def _is_due(shard: Shard, listed: Collection[str], ended: Collection[str]) -> bool:
    return all(parent in ended or parent not in listed for parent in shard.parents)


def _batch(
    stream: str,
    before: SealedBatch,
    found: Mapping[str, Sighted],
    places: tuple[Collection[str], list[str]],
    now: datetime,
) -> SealedBatch | None:
    listed, ended = places
    new = {shard: it for shard, it in found.items() if it.records}
    if not new:
        return None
    positions = {shard: it for shard, it in before.positions.items() if shard in listed}
    return SealedBatch(
        stream=stream,
        shards=list(new),
        ranges={shard: [it.first, it.last] for shard, it in new.items()},
        records={shard: it.records for shard, it in new.items()},
        positions={**positions, **{shard: it.last for shard, it in new.items()}},
        ended=ended,
        behind=[shard for shard, it in found.items() if it.is_behind],
        sealed_at=now.isoformat(),
    )
