"""What an ingesting function gets of a stream: the records of a batch, and a place for them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from isal import igzip

from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.errors import PipelineError
from pipeline_assets.streams.batch import SealedBatch
from pipeline_assets.streams.kinesis import KinesisClient, Records, ShardReader
from pipeline_assets.streams.sealing import Limit, Sealer, records_of

_GZIP_LEVEL = 1


@dataclass(frozen=True)
class Inbox:
    """The landing zone, where the lines of a stream become objects as a vendor would put them.

    Attributes:
        uri: Of the landing zone.
        store: Where it lies.
    """

    uri: str
    store: ObjectStore

    def put(self, objects: Mapping[str, list[bytes]]) -> None:
        """Write lines as gzip, one object for each path, unless it is there.

        A name must say which records are in the object: what is there is taken for the same.

        Args:
            objects: Lines by path below the landing zone.

        Raises:
            PipelineError: The landing zone cannot be read or written.
        """
        folders = {path.rpartition("/")[0] for path in objects}
        there = {it.uri for folder in folders for it in self.store.list(f"{self.uri}/{folder}")}
        for path, lines in objects.items():
            uri = f"{self.uri}/{path}"
            if uri not in there:
                text = b"\n".join([*lines, b""])
                self.store.put(uri, igzip.compress(text, _GZIP_LEVEL, mtime=0))


@dataclass(frozen=True)
class EventStream:
    """A stream that may not be configured; nothing connects before it is used.

    Attributes:
        setting: The variable that names the stream.
        name: Its name, if the variable is set.
        connect: Makes a client of Kinesis.
        inbox: Where its events land.
        since: The first day whose events are wanted.
        limit: Of a batch.
    """

    setting: str
    name: str | None
    connect: Callable[[], KinesisClient] = field(repr=False, compare=False)
    inbox: Inbox
    since: date
    limit: Limit

    @property
    def is_set(self) -> bool:
        """Whether a stream is named."""
        return bool(self.name)

    @property
    def address(self) -> str:
        """Its name."""
        return self.require().stream

    def require(self) -> ShardReader:
        """What reads its shards.

        Raises:
            PipelineError: The variable is not set.
        """
        return self.reader

    @cached_property
    def reader(self) -> ShardReader:
        """Reads its shards.

        Raises:
            PipelineError: The variable is not set.
        """
        if not self.name:
            raise PipelineError(f"{self.setting} is not set; it names the stream to read")
        return ShardReader(self.connect(), self.name)

    def sealer(self, *, accepts_loss: bool = False) -> Sealer:
        """Seals its batches."""
        return Sealer(self.reader, self.limit, accepts_loss)

    def records(self, batch: SealedBatch) -> Iterator[tuple[str, Records]]:
        """The records of a batch by shard, in the order in which the batch names the shards.

        Raises:
            PipelineError: The batch names no ranges or is of another stream, or the stream cannot
                be read, or no longer holds some of the records.
        """
        if not batch.ranges:
            raise PipelineError(
                "A batch of a stream names the ranges that it reads: the sensor of the stream and "
                "`pipeline-assets update` seal them, nobody types them"
            )
        if batch.stream != self.reader.stream:
            raise PipelineError(
                f"The batch is of stream {batch.stream}, and {self.setting} names {self.name}"
            )
        for shard in batch.shards:
            yield shard, records_of(self.reader, batch, shard)
