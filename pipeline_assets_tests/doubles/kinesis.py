"""A Kinesis that behaves: shards split and merge, iterators expire, old records are dropped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

PAGE = 2
"""Shards in one answer, so that every listing has pages."""
FIRST = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898
START = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class FakeShard:
    id: str
    parents: tuple[str, ...] = ()
    records: list[tuple[int, bytes, datetime]] = field(default_factory=list)
    is_closed: bool = False


@dataclass
class FakeKinesis:
    """Answers as Kinesis does, as far as readers of streams can tell.

    Attributes:
        stream: The only one there is.
        hours: For how long records are kept.
        now: Its clock.
        expiring: How many of the next requests find their iterator expired.
        gaps: How many of the next pages are empty although records follow.
        calls: Requests for records so far.
    """

    stream: str = "events"
    hours: int = 24
    now: datetime = START
    expiring: int = 0
    gaps: int = 0
    calls: int = 0
    shards: dict[str, FakeShard] = field(default_factory=dict)
    _sequence: int = FIRST

    def __post_init__(self) -> None:
        self._open()

    @property
    def open_shards(self) -> list[str]:
        return [name for name, shard in self.shards.items() if not shard.is_closed]

    def put(self, data: bytes, shard: str | None = None) -> str:
        self._sequence += 7
        target = self.shards[shard or self.open_shards[0]]
        assert not target.is_closed
        target.records.append((self._sequence, data, self.now))
        return str(self._sequence)

    def split(self, shard: str) -> None:
        self._close(shard)
        self._open(shard)
        self._open(shard)

    def merge(self, left: str, right: str) -> None:
        self._close(left)
        self._close(right)
        self._open(left, right)

    def pass_time(self, hours: float) -> None:
        """Records that have become too old go, and closed shards without any."""
        self.now += timedelta(hours=hours)
        oldest = self.now - timedelta(hours=self.hours)
        for shard in list(self.shards.values()):
            shard.records = [it for it in shard.records if it[2] >= oldest]
            if shard.is_closed and not shard.records:
                del self.shards[shard.id]

    def list_shards(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401 - as boto3
        listed = list(self.shards.values())
        start = int(request.get("NextToken", 0))
        if start == 0 and request["StreamName"] != self.stream:
            raise refusal("ResourceNotFoundException", "Stream not found.")
        page = [_described(shard) for shard in listed[start : start + PAGE]]
        more = {"NextToken": str(start + PAGE)} if start + PAGE < len(listed) else {}
        return {"Shards": page, **more}

    def get_shard_iterator(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401 - as boto3
        kind, start = request["ShardIteratorType"], int(request.get("StartingSequenceNumber", 0))
        first = start + (kind == "AFTER_SEQUENCE_NUMBER")
        return {"ShardIterator": f"{request['ShardId']}/{first}"}

    def get_records(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401 - as boto3
        self.calls += 1
        if self.expiring:
            self.expiring -= 1
            raise refusal("ExpiredIteratorException", "Iterator expired.")
        name, _, start = request["ShardIterator"].partition("/")
        shard = self.shards[name]
        found = [it for it in shard.records if it[0] >= int(start)]
        is_gap = self.gaps > 0 and bool(found)
        self.gaps -= is_gap
        page = [] if is_gap else found[: request["Limit"]]
        rest = len(found) - len(page)
        following = page[-1][0] + 1 if page else start
        is_over = shard.is_closed and not rest
        return {
            "Records": [
                {"SequenceNumber": str(number), "Data": data, "ApproximateArrivalTimestamp": at}
                for number, data, at in page
            ],
            "NextShardIterator": None if is_over else f"{name}/{following}",
            "MillisBehindLatest": rest * 1000,
        }

    def describe_stream_summary(self, **_request: Any) -> Mapping[str, Any]:  # noqa: ANN401 - as boto3
        return {"StreamDescriptionSummary": {"RetentionPeriodHours": self.hours}}

    def _open(self, *parents: str) -> None:
        name = f"shardId-{len(self.shards):012d}"
        while name in self.shards:
            name = f"shardId-{int(name[-12:]) + 1:012d}"
        self.shards[name] = FakeShard(name, parents)

    def _close(self, shard: str) -> None:
        assert not self.shards[shard].is_closed
        self.shards[shard].is_closed = True


def _described(shard: FakeShard) -> dict[str, Any]:
    names = ("ParentShardId", "AdjacentParentShardId")
    return {"ShardId": shard.id, **dict(zip(names, shard.parents, strict=False))}


def refusal(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "GetRecords")
