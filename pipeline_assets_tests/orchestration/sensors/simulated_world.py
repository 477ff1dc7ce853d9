"""What stands around the landing sensors: objects, published tables and runs, all in memory.

They misbehave: objects have wrong times, are put back as they were or cannot be read; a run makes
its tables one after the other and dies between two of them. Nothing here decides what has to be
made: that is what the sensors are tried for. How they see this world is in ``simulated_edges``.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.objects import StoredObject, fingerprint
from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.orchestration.sensors.downstream import OBJECTS_TAG
from pipeline_assets.orchestration.sensors.retry_waits import is_due, remaining_assets
from pipeline_assets.staleness.versions import digest
from pipeline_assets.staleness.withdrawals import withdrawal
from pipeline_assets_tests.orchestration.sensors.boxes import ASSETS, CODE_VERSIONS, SOURCE, TABLES

ZONE = "/zone"
WAITS = (30.0, 100.0, 300.0)
FOREVER = 100_000.0


def etag(content: str) -> str:
    return hashlib.md5(content.encode()).hexdigest()


BROKEN = etag("no boxes")
"""Of an object that every run fails on."""


def is_ingest(asset: LakeAsset) -> bool:
    """Whether it reads the objects themselves."""
    return any(spec.key == SOURCE.key for spec in asset.inputs)


@dataclass
class Run:
    """A run, as far as it has got.

    Attributes:
        id: Of the run in Dagster's storage.
        keys: Its partitions.
        assets: What it makes, in this order.
        wanted: The version that a sensor requested it for; None of a run that was started by hand.
        number: How often it was tried before.
        made: What it has published.
        read: What it has read for the next one, by partition.
        seen: The objects that lay there when it read, by partition.
        failed_at: When, if it has.
    """

    id: str
    keys: tuple[str, ...]
    assets: tuple[LakeAsset, ...]
    wanted: str | None
    number: int = 0
    made: int = 0
    read: Mapping[str, Mapping[str, str]] | None = None
    seen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    failed_at: float | None = None

    @property
    def names(self) -> frozenset[str]:
        return frozenset(asset.name for asset in self.assets)

    @property
    def left(self) -> tuple[LakeAsset, ...]:
        """What it has not made yet."""
        return self.assets[self.made :]

    @property
    def is_given_up(self) -> bool:
        """Whether it has failed and nothing will try it again."""
        return self.failed_at is not None and (self.wanted is None or self.number == len(WAITS))

    @property
    def waits(self) -> bool:
        """Whether it has failed and will be tried again."""
        return self.failed_at is not None and not self.is_given_up


@dataclass
class World:
    """Everything there is.

    Attributes:
        instance: Dagster's storage: its runs, its partitions.
        now: The time.
        objects: Etag and modification time by path.
        records: What is published of each table, by its name, then by partition.
        runs: Those in progress, by run key.
        started: All there ever were by run key, oldest first.
        publishes: How many there were.
        repeats: Publishes of what was published already.
        queue: Messages by id: the path they tell of, and when they can be received next.
        down: What does not answer now: the landing zone or the lake.
        faults: What went wrong how often.
    """

    instance: dg.DagsterInstance
    now: float = FOREVER
    objects: dict[str, tuple[str, float]] = field(default_factory=dict)
    records: dict[str, dict[str, PartitionRecord]] = field(
        default_factory=lambda: {str(asset.table): {} for asset in ASSETS}
    )
    runs: dict[str, Run] = field(default_factory=dict)
    started: dict[str, Run] = field(default_factory=dict)
    publishes: int = 0
    repeats: int = 0
    queue: dict[int, tuple[str, float]] = field(default_factory=dict)
    cursor: str | None = None
    messages: int = 0
    down: str | None = None
    faults: Counter[str] = field(default_factory=Counter)

    def put(self, path: str, content: str, age: float) -> None:
        """Create or overwrite an object, as written some time ago."""
        self.objects[path] = (etag(content), self.now - age)

    def tell(self, path: str, delay: float) -> None:
        """Send an event."""
        self.messages += 1
        self.queue[self.messages] = (path, self.now + delay)

    def version(self, key: str) -> str | None:
        """Of what lies in a partition now; None if nothing does."""
        items = [it for path, it in self.listing() if SOURCE.key_of(path) == key]
        return fingerprint(items) if items else None

    def listing(self) -> list[tuple[str, StoredObject]]:
        """What lies there, ordered by path."""
        return [
            (path, StoredObject(f"{ZONE}/{path}", etag, 1, datetime.fromtimestamp(time, UTC)))
            for path, (etag, time) in sorted(self.objects.items())
        ]

    def start(self, request: dg.RunRequest) -> None:
        """Dagster's part: a run key is never started twice."""
        assert request.run_key
        assert request.asset_selection
        chosen = [asset for asset in ASSETS if asset.key in request.asset_selection]
        keys = (str(request.partition_key),)
        self._start(request.run_key, keys, chosen, request.tags[OBJECTS_TAG])

    def start_by_hand(self, keys: Sequence[str]) -> None:
        """Somebody makes partitions anew, all in one run."""
        self._start(f"by hand {len(self.started)}", keys, ASSETS, None)

    def is_free(self, keys: Collection[str]) -> bool:
        """Whether objects lie in some partitions that no run is making or will try again."""
        last = {run.keys: run for run in self.started.values()}
        waiting = (run for run in last.values() if run.waits)
        taken = {key for run in (*self.runs.values(), *waiting) for key in run.keys}
        return all(self.version(key) for key in keys) and taken.isdisjoint(keys)

    def try_again(self) -> None:
        """The retry sensor's part; its rules are the real ones."""
        for place, (run_key, run) in enumerate(list(self.started.items())):
            newer = list(self.started.values())[place + 1 :]
            same = [each.names for each in newer if each.keys == run.keys]
            names = remaining_assets({asset.name for asset in run.left}, (), same)
            failed_at = run.failed_at
            if run.waits and failed_at and names and is_due(run.number, failed_at, WAITS, self.now):
                chosen = [asset for asset in run.assets if asset.name in names]
                self._start(f"again {run_key}", run.keys, chosen, run.wanted, run.number + 1)

    def _start(
        self,
        run_key: str,
        keys: Sequence[str],
        assets: Sequence[LakeAsset],
        wanted: str | None,
        number: int = 0,
    ) -> None:
        if run_key not in self.started:
            run_id = str(UUID(int=len(self.started)))
            run = Run(run_id, tuple(keys), tuple(assets), wanted, number)
            self.started[run_key] = self.runs[run_key] = run
            self.instance.add_run(in_dagster(run))

    def read(self, run_key: str) -> None:
        """A run reads what its next asset is made from."""
        run = self.runs[run_key]
        if not run.read:
            run.read = {key: self._inputs(run.left[0], key) for key in run.keys}
            run.seen = {key: self.uris(key) for key in run.keys}

    def go_on(self, run_key: str, *, fails: bool = False) -> None:
        """A run publishes its next asset, or fails."""
        self.read(run_key)
        run = self.runs[run_key]
        read, run.read = run.read or {}, None
        is_refused = any(self._is_refused(run.left[0], key, run.seen[key]) for key in read)
        is_broken = not all(each and BROKEN not in each.values() for each in read.values())
        if fails or is_refused or is_broken:
            run.failed_at = self.now
            self._end(run_key, dg.DagsterEventType.RUN_FAILURE)
            return
        for key, inputs in read.items():
            self._publish(run, key, inputs)
        run.made += 1
        if not run.left:
            self._end(run_key, dg.DagsterEventType.RUN_SUCCESS)

    def _end(self, run_key: str, event: dg.DagsterEventType) -> None:
        ended = dg.DagsterEvent(event.value, job_name="boxes")
        self.instance.handle_run_event(self.runs.pop(run_key).id, ended)

    def _inputs(self, asset: LakeAsset, key: str) -> dict[str, str]:
        """What a record would say of an asset's inputs now; empty if one is not there."""
        (spec,) = asset.inputs
        if spec.key == SOURCE.key:
            found = BROKEN if self.is_broken(key) else self.version(key)
        else:
            record = self.record(spec.upstream, key)
            found = record.version if record else None
        return {spec.name: found} if found else {}

    def _publish(self, run: Run, key: str, inputs: Mapping[str, str]) -> None:
        asset = run.left[0]
        before = self.record(asset.name, key)
        is_same = before is not None and before.inputs == inputs
        if run.number and is_same:
            return  # a retry makes nothing that is published from the same input already
        # One that finds its objects put back as they were cannot know.
        self.repeats += is_same and run.wanted in inputs.values()
        self.publishes += 1
        self.records[str(asset.table)][key] = PartitionRecord(
            version=digest([asset.name, inputs]),
            inputs=inputs,
            code_version=CODE_VERSIONS[asset.name],
            run_id=run.id,
            rows=1,
            bytes=1,
            published_at=f"{self.now} {self.publishes}",
            objects=run.seen[key] if is_ingest(asset) else (),
        )

    def uris(self, key: str) -> tuple[str, ...]:
        """What lies in a partition now."""
        return tuple(item.uri for path, item in self.listing() if SOURCE.key_of(path) == key)

    def _is_refused(self, asset: LakeAsset, key: str, seen: Sequence[str]) -> bool:
        """Whether a run fails because objects have gone, and none has come in their place."""
        gone = withdrawal(self.record(asset.name, key), seen) if is_ingest(asset) else None
        return gone is not None and gone.is_partial

    def is_withdrawn(self, key: str) -> bool:
        """Whether something of what a partition was made from has gone, and nothing has come."""
        return any(self._is_refused(asset, key, self.uris(key)) for asset in ASSETS)

    def record(self, name: str, key: str) -> PartitionRecord | None:
        """What is published of a partition of an asset."""
        return self.records[str(TABLES[name])].get(key)

    def is_broken(self, key: str) -> bool:
        """Whether one of the objects of a partition is."""
        found = (tag for path, (tag, _) in self.objects.items() if SOURCE.key_of(path) == key)
        return BROKEN in found

    @property
    def missed(self) -> list[str]:
        """Partitions that are not made from what lies there, although they could be."""
        keys = sorted({SOURCE.key_of(path) or "" for path in self.objects})
        return [
            f"{asset.name} {key}"
            for asset in ASSETS
            for key in keys
            if not self._is_made(asset, key)
            and not self._is_given_up(key)
            and not self.is_withdrawn(key)
        ]

    def _is_made(self, asset: LakeAsset, key: str) -> bool:
        record = self.record(asset.name, key)
        return record is not None and record.inputs == self._inputs(asset, key)

    def _is_given_up(self, key: str) -> bool:
        runs = [run for run in self.started.values() if key in run.keys]
        return bool(runs) and runs[-1].is_given_up

    @property
    def tries(self) -> int:
        """How often the objects that were tried most were tried in a row."""
        return max((run.number + 1 for run in self.started.values()), default=0)


def in_dagster(run: Run) -> dg.DagsterRun:
    """How Dagster stores a run that has just started."""
    first, *more = run.keys
    ends = {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": run.keys[-1],
    }
    return dg.DagsterRun(
        job_name="boxes",
        run_id=run.id,
        asset_selection=frozenset(asset.key for asset in run.assets),
        status=dg.DagsterRunStatus.STARTED,
        tags=ends if more else {"dagster/partition": first},
    )
