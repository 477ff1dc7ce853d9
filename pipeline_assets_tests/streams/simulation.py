"""A stream, a landing zone and a lake's records in memory, driven by schedules of mishaps.

What seals, reads and lands is the product's code. What is modelled is what surrounds it: Dagster,
which remembers the config of a run until it is lost, and the lake, which holds a record for each
batch that was published. At the end everything that has landed becomes events, by the product's
expression.
"""

import gzip
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any, BinaryIO

import ibis
import pyarrow as pa
from ibis.backends.duckdb import Backend

from pipeline_assets.dataset.contract import Contract, TableContract
from pipeline_assets.dataset.values.objects import StoredObject
from pipeline_assets.dataset.values.progress import SILENT
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.domains.activity.assets import stream_batches
from pipeline_assets.domains.activity.contracts import RawEvents, StreamBatches
from pipeline_assets.domains.activity.records import FILES, accepted
from pipeline_assets.streams.batch import SealedBatch, key_after
from pipeline_assets.streams.event_stream import EventStream, Inbox
from pipeline_assets.streams.sealing import Limit
from pipeline_assets_tests.doubles.kinesis import START, FakeKinesis

ZONE = "memory"
KINDS = ("view", "click", "pause", "rent", "search")
HAPPENINGS = (
    ("put", 8),
    ("put again", 2),
    ("split", 1),
    ("merge", 1),
    ("expire", 1),
    ("tick", 6),
    ("killed before landing", 1),
    ("killed while landing", 2),
    ("killed before commit", 2),
    ("killed after commit", 2),
    ("lose the run", 2),
    ("the lost run goes on", 2),
)


class Killed(BaseException):
    """What a run that is killed does not survive."""


@dataclass
class MemoryStore:
    """Objects in memory; the process may be killed after some of them are put."""

    objects: dict[str, bytes] = field(default_factory=dict)
    puts_left: int | None = None

    def require(self, _root: str) -> None: ...

    def list(self, prefix: str, *_: object) -> Iterator[StoredObject]:
        for uri in sorted(self.objects):
            if uri.startswith(f"{prefix}/"):
                yield StoredObject(uri, "", len(self.objects[uri]), START)

    def open(self, uri: str, _etag: str | None = None) -> BinaryIO:
        return io.BytesIO(self.objects[uri])

    def put(self, uri: str, data: bytes) -> None:
        if self.puts_left == 0:
            raise Killed
        self.puts_left = None if self.puts_left is None else self.puts_left - 1
        assert self.objects.get(uri, data) == data, "one name, two contents"
        self.objects[uri] = data

    def persist(self, _uris: Iterable[str]) -> None: ...

    def move(self, _source: str, _target: str) -> None: ...

    def copy(self, _source: str, _target: str) -> None: ...

    def delete(self, _uris: Iterable[str], _below: str | None = None) -> None: ...


@dataclass
class World:
    """One schedule's world.

    Attributes:
        random: Decides details.
        kinesis: The stream.
        store: The landing zone.
        published: The lake's record of each batch.
        pending: The batch of the run that Dagster knows and that is not published.
        lost: Batches of runs that nobody remembers, and that may still go on.
        put: Each event by its identifier.
        counts: How often what happened.
    """

    random: Random
    kinesis: FakeKinesis = field(default_factory=FakeKinesis)
    store: MemoryStore = field(default_factory=MemoryStore)
    published: dict[str, SealedBatch] = field(default_factory=dict)
    pending: tuple[str, SealedBatch] | None = None
    lost: list[tuple[str, SealedBatch]] = field(default_factory=list)
    put: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def stream(self) -> EventStream:
        inbox = Inbox(ZONE, self.store)
        limit = Limit(records=self.random.randint(1, 12))
        since = date(2026, 1, 1)
        return EventStream("SETTING", "events", lambda: self.kinesis, inbox, since, limit)

    def happen(self, what: str) -> None:
        self.counts[what] += 1
        if what.startswith("put"):
            for _ in range(self.random.randint(1, 6)):
                self._put(again=what == "put again" and bool(self.put))
        elif what == "expire":
            self.kinesis.expiring = 1
        elif what in {"split", "merge"}:
            self._reshard(what)
        elif what == "lose the run":
            self.lost += [self.pending] if self.pending else []
            self.pending = None
        elif what == "the lost run goes on":
            if self.lost:
                key, batch = self.lost.pop(self.random.randrange(len(self.lost)))
                self._run(key, batch)
        else:
            self.tick(what)
        self.kinesis.now += timedelta(seconds=self.random.randint(1, 90))

    def tick(self, mishap: str = "tick") -> bool:
        """Run the batch that waits, or else seal the next; whether there was one."""
        if self.pending is None:
            newest = max(self.published, default="")
            before = self.published.get(newest)
            batch = self.stream.sealer().next_batch(before, self.kinesis.now)
            if batch is None:
                return False
            self.pending = (key_after(newest), batch)
        key, batch = self.pending
        if mishap == "killed before landing":
            return True
        self.store.puts_left = self.random.randint(0, 2) if "while landing" in mishap else None
        try:
            self._run(key, batch, commits=mishap != "killed before commit")
        except Killed:
            return True
        finally:
            self.store.puts_left = None
        if mishap not in {"killed before commit", "killed after commit"}:
            self.pending = None
        return True

    def _run(self, key: str, batch: SealedBatch, *, commits: bool = True) -> None:
        if self.published.get(key) == batch:
            self.counts["no-op"] += 1
            return
        workspace = self._workspace((key,), StreamBatches)
        rows = [
            row
            for found in stream_batches(self.stream, batch, workspace)
            for row in found.to_pylist()
        ]
        assert {row["shard"]: [row["first_sequence"], row["last_sequence"]] for row in rows} == (
            batch.ranges
        )
        if commits:
            self.published[key] = batch
            self.counts["published"] += 1

    def _put(self, *, again: bool) -> None:
        number = len(self.put)
        event = {
            "event_id": f"e{number}",
            "customer_id": self.random.randint(1, 4),
            "film_id": self.random.randint(1, 9),
            "kind": self.random.choice(KINDS),
            # Most events come at once, some come late.
            "occurred_at": (
                self.kinesis.now - timedelta(minutes=self.random.choice([0, 1, 2, 70, 600]))
            ).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "seconds": self.random.choice([None, 3, 4.5]),
        }
        if again:
            event = self.random.choice(list(self.put.values()))
        self.put[str(event["event_id"])] = event
        line = json.dumps(event).encode()
        data = gzip.compress(line, mtime=0) if self.random.random() < 0.2 else line
        self.kinesis.put(data, self.random.choice(self.kinesis.open_shards))

    def _reshard(self, what: str) -> None:
        shards = self.kinesis.open_shards
        if what == "split" and len(shards) < 4:
            self.kinesis.split(self.random.choice(shards))
        elif what == "merge" and len(shards) > 1:
            self.kinesis.merge(*self.random.sample(shards, 2))

    def landed(self) -> pa.Table:
        """Everything that has landed, as the raw table holds it."""
        workspace = self._workspace((), RawEvents)
        hours: dict[str, tuple[StoredObject, ...]] = {}
        for item in self.store.list(ZONE):
            hour = item.uri.split("/")[2]
            hours[hour] = (*hours.get(hour, ()), item)
        found = FILES.rows(hours, "hour", workspace)
        return pa.Table.from_batches(found, schema=workspace.schema)

    def _workspace(self, keys: tuple[str, ...], contract: type[Contract]) -> Workspace:
        schema = pa.schema(TableContract.of(contract).schema.to_pyarrow())
        return Workspace(keys, self.store, "", 1, SILENT, lambda _line: None, schema)


def played(happenings: Iterable[str], seed: int, database: Backend) -> World:
    """Let things happen, then quiet; what was put must be what the events are.

    Args:
        happenings: What happens.
        seed: Of the details.
        database: Computes the events, a connection of Ibis.
    """
    world = World(Random(seed))
    for what in happenings:
        world.happen(what)
    while world.tick():
        pass
    raw = world.landed()
    events = database.to_pyarrow(accepted(ibis.memtable(raw))).to_pylist()
    world.counts["landed lines"] = len(raw)
    world.counts["events"] = len(events)
    ids = Counter(event["event_id"] for event in events)
    assert max(ids.values(), default=1) == 1, "an event counts twice"
    assert ids.keys() == world.put.keys(), "an event is missing"
    for event in events:
        assert event["hour"] == world.put[event["event_id"]]["occurred_at"][:13]
    return world
