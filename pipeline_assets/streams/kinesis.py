"""Reading the shards of a Kinesis stream: which there are, and their records page by page."""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_assets.errors import PipelineError

PAGE_RECORDS: Final = 10_000
"""The most records that Kinesis hands out in one answer."""
_EMPTY_PAGE_SECONDS: Final = 0.2
"""Kinesis answers five requests a second for each shard."""

Answer = Mapping[str, Any]


class KinesisClient(Protocol):
    """What is used of boto3's client."""

    def list_shards(self, **request: Any) -> Answer:  # noqa: ANN401 - as boto3
        """A page of the shards."""
        ...

    def get_shard_iterator(self, **request: Any) -> Answer:  # noqa: ANN401 - as boto3
        """Where to read from, for five minutes."""
        ...

    def get_records(self, **request: Any) -> Answer:  # noqa: ANN401 - as boto3
        """A page of records, and where to read on."""
        ...

    def describe_stream_summary(self, **request: Any) -> Answer:  # noqa: ANN401 - as boto3
        """Among others, for how many hours records are kept."""
        ...


@dataclass(frozen=True)
class Shard:
    """A shard, and the shards that it was split or merged from."""

    id: str
    parents: tuple[str, ...]


@dataclass(frozen=True)
class Records:
    """Records of a shard in its order, by column: there are millions, and objects cost.

    Attributes:
        sequences: The sequence number of each.
        data: What each holds.
        arrived: When each came, in any time zone.
    """

    sequences: Sequence[str] = ()
    data: Sequence[bytes] = ()
    arrived: Sequence[datetime] = ()

    def __len__(self) -> int:
        return len(self.sequences)

    @classmethod
    def joined(cls, pages: Sequence["Records"]) -> "Records":
        """Those of all pages, one behind the other."""
        return cls(
            [it for page in pages for it in page.sequences],
            [it for page in pages for it in page.data],
            [it for page in pages for it in page.arrived],
        )

    def between(self, first: str, last: str) -> "Records":
        """Those from one sequence number to another."""
        begin = bisect_left(self.sequences, int(first), key=int)
        end = bisect_right(self.sequences, int(last), key=int)
        return Records(self.sequences[begin:end], self.data[begin:end], self.arrived[begin:end])

    @property
    def size(self) -> int:
        """How many bytes they hold."""
        return sum(map(len, self.data))


@dataclass(frozen=True)
class Page:
    """Some records of a shard.

    Attributes:
        records: In the shard's order; there may be none although more follow.
        is_end: Whether the shard is closed, and nothing follows.
        is_tip: Whether nothing follows for the time being.
    """

    records: Records
    is_end: bool
    is_tip: bool


@dataclass(frozen=True)
class ShardReader:
    """Reads one stream.

    Attributes:
        client: Of Kinesis.
        stream: Name of the stream.
        pause: Waits for some seconds.
    """

    client: KinesisClient
    stream: str
    pause: Callable[[float], None] = time.sleep

    def shards(self) -> list[Shard]:
        """All shards that still hold records, parents before their children.

        Raises:
            PipelineError: The stream cannot be read, or there is none of that name.
        """
        listed: list[Answer] = []
        request: dict[str, Any] = {"StreamName": self.stream}
        while request:
            with self._one_line_errors():
                answer = self.client.list_shards(**request)
            listed += answer["Shards"]
            token = answer.get("NextToken")
            request = {"NextToken": token} if token else {}
        return _parents_first({it.id: it for it in map(_shard, listed)})

    def pages(self, shard: str, first: str | None, limit: int) -> Iterator[Page]:
        """The records from one on, up to the end of the shard or to its newest record.

        An iterator that expires between two pages is made anew behind the last record.

        Args:
            shard: The shard.
            first: Sequence number of the first record; None for the oldest that is left. Where it
                is not there any more, what is left comes first.
            limit: How many records a page holds at most.

        Raises:
            PipelineError: The stream cannot be read, or an iterator expires as soon as it is made.
        """
        iterator, last, read = self._iterator(shard, first), "", 0
        is_new = False
        while iterator:
            answer = self._answer(iterator, min(limit, PAGE_RECORDS))
            if answer is None and is_new:
                raise PipelineError(
                    f"{self.stream} {shard}: the iterator expired twice after {read:,} records "
                    f"were read, the last of them {last or 'none'}"
                )
            is_new = answer is None
            if answer is None:
                iterator = self._iterator(shard, last or first, after=bool(last))
                continue
            page = _page(answer)
            if page.records:
                last, read = page.records.sequences[-1], read + len(page.records)
            yield page
            if page.is_tip or page.is_end:
                return
            if not page.records:
                self.pause(_EMPTY_PAGE_SECONDS)
            iterator = answer.get("NextShardIterator")

    def hours_kept(self) -> int:
        """For how long the stream keeps its records.

        Raises:
            PipelineError: The stream cannot be read.
        """
        with self._one_line_errors():
            answer = self.client.describe_stream_summary(StreamName=self.stream)
        return int(answer["StreamDescriptionSummary"]["RetentionPeriodHours"])

    def _iterator(self, shard: str, sequence: str | None, *, after: bool = False) -> str | None:
        kind = "AFTER_SEQUENCE_NUMBER" if after else "AT_SEQUENCE_NUMBER"
        start = (
            {"ShardIteratorType": kind, "StartingSequenceNumber": sequence}
            if sequence
            else {"ShardIteratorType": "TRIM_HORIZON"}
        )
        with self._one_line_errors():
            answer = self.client.get_shard_iterator(StreamName=self.stream, ShardId=shard, **start)
        found: str | None = answer["ShardIterator"]
        return found

    def _answer(self, iterator: str, limit: int) -> Answer | None:
        """A page as Kinesis answers it; None where the iterator has expired."""
        with self._one_line_errors():
            try:
                return self.client.get_records(ShardIterator=iterator, Limit=limit)
            except ClientError as error:
                if _code(error) != "ExpiredIteratorException":
                    raise
        return None

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            message = error.response.get("Error", {}).get("Message", "")
            raise PipelineError(
                f"Kinesis refused stream {self.stream}: {_code(error)} {message}"
            ) from error
        except BotoCoreError as error:
            raise PipelineError(
                f"Cannot reach Kinesis for stream {self.stream}: {type(error).__name__}: {error}"
            ) from error


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "unknown error")


def _shard(listed: Answer) -> Shard:
    named = (listed.get("ParentShardId"), listed.get("AdjacentParentShardId"))
    return Shard(listed["ShardId"], tuple(name for name in named if name))


def _parents_first(shards: Mapping[str, Shard]) -> list[Shard]:
    """In the order of their ids, but for the parents that a shard pulls before it."""
    ordered: dict[str, Shard] = {}

    def take(shard: Shard) -> None:
        for parent in shard.parents:
            if parent in shards and parent not in ordered:
                take(shards[parent])
        ordered.setdefault(shard.id, shard)

    for name in sorted(shards):
        take(shards[name])
    return list(ordered.values())


def _page(answer: Answer) -> Page:
    found = answer["Records"]
    records = Records(
        [it["SequenceNumber"] for it in found],
        [it["Data"] for it in found],
        [it["ApproximateArrivalTimestamp"] for it in found],
    )
    is_end = not answer.get("NextShardIterator")
    return Page(records, is_end, not answer.get("MillisBehindLatest"))
