"""A landing zone, a lake and Dagster's bookkeeping in memory, in which anything may go wrong.

The sensors are the real ones. Around them everything misbehaves: objects appear with old times, are
overwritten, put back as they were, broken, and go; runs are slow, read late and fail; ticks are
lost after they have started some of their runs; events come twice, late, and in any order.
"""

import hashlib
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from pipeline_assets.dataset.landing_source import LandingSource
from pipeline_assets.dataset.objects import StoredObject, fingerprint
from pipeline_assets.dataset.partitioning import Partitioning
from pipeline_assets.landing.zone import LandingZone
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.sensors.cursor import Delivery
from pipeline_assets.orchestration.sensors.downstream import Followers
from pipeline_assets.orchestration.sensors.event_sensor import EventWatch
from pipeline_assets.orchestration.sensors.landing_sensor import Watch
from pipeline_assets.orchestration.sensors.retry_waits import is_time, left
from pipeline_assets.orchestration.sensors.s3_events import Message
from pipeline_assets.settings import Settings
from pipeline_assets.storage.objects import LocalStore

ZONE = "/zone"
SOURCE = LandingSource(
    name="boxes",
    prefix="boxes",
    pattern=re.compile(r"boxes/(?P<key>[^/]+)/[^/]+"),
    partitioning=Partitioning("box", dg.DynamicPartitionsDefinition(name="box")),
    description="Boxes.",
)
SETTLE = 10.0
WAITS = (30.0, 100.0, 300.0)
FOREVER = 100_000.0


def etag(content: str) -> str:
    return hashlib.md5(content.encode()).hexdigest()


BROKEN = etag("no boxes")
"""Of an object that every run fails on."""


@dataclass
class Run:
    """A run: what it was requested for, what it has read, if it has, and how it has ended.

    Attributes:
        key: The partition.
        wanted: The version that it was requested for.
        number: How often it was tried before.
        read: The version that it has read.
        failed_at: When, if it has.
    """

    key: str
    wanted: str
    number: int = 0
    read: str | None = None
    failed_at: float | None = None

    @property
    def is_given_up(self) -> bool:
        """Whether it has failed and nothing will try it again."""
        return self.failed_at is not None and self.number == len(WAITS)


@dataclass
class World:
    """Everything there is.

    Attributes:
        now: The time.
        objects: Etag and modification time by path.
        published: Version of each partition of the lake, and how often it was published.
        runs: Those in progress.
        started: All there ever were by run key, oldest first.
        repeats: Publishes of what was published already.
        queue: Messages by id: the path they tell of, and when they can be received next.
        faults: What went wrong how often.
    """

    now: float = FOREVER
    objects: dict[str, tuple[str, float]] = field(default_factory=dict)
    published: dict[str, tuple[str, int]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    started: dict[str, Run] = field(default_factory=dict)
    repeats: int = 0
    queue: dict[int, tuple[str, float]] = field(default_factory=dict)
    cursor: str | None = None
    messages: int = 0
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

    def run_key(self, key: str, version: str) -> str:
        """As the product makes it: the objects, on top of what is published."""
        return f"{key}/{version}/{self.published.get(key)}"

    def start(self, request: dg.RunRequest) -> None:
        """Dagster's part: a run key is never started twice."""
        assert request.run_key
        _, wanted, _ = request.run_key.split("/")
        self._start(request.run_key, Run(str(request.partition_key), wanted))

    def try_again(self) -> None:
        """The retry sensor's part; its rules are the real ones."""
        for place, (run_key, run) in enumerate(list(self.started.items())):
            newer = list(self.started.values())[place + 1 :]
            mine = left({"boxes"}, (), [{"boxes"} for each in newer if each.key == run.key])
            if run.failed_at and mine and is_time(run.number, run.failed_at, WAITS, self.now):
                self._start(f"again {run_key}", Run(run.key, run.wanted, run.number + 1))

    def _start(self, run_key: str, run: Run) -> None:
        if run_key not in self.started:
            self.started[run_key] = self.runs[run_key] = run

    def read(self, run_key: str) -> None:
        """A run reads its objects."""
        run = self.runs[run_key]
        run.read = self.version(run.key)

    def finish(self, run_key: str, *, fails: bool) -> None:
        """A run ends."""
        run = self.runs.pop(run_key)
        read = run.read or self.version(run.key)
        if fails or read is None or self.is_broken(run.key):
            run.failed_at = self.now
            return
        before, count = self.published.get(run.key, ("", 0))
        if run.number and before == read:
            return  # a retry makes nothing that is published from the same input already
        # One that finds its objects put back as they were cannot know.
        self.repeats += before == read == run.wanted
        self.published[run.key] = (read, count + 1)

    def is_broken(self, key: str) -> bool:
        """Whether one of the objects of a partition is."""
        found = (tag for path, (tag, _) in self.objects.items() if SOURCE.key_of(path) == key)
        return BROKEN in found

    @property
    def missed(self) -> list[str]:
        """Partitions whose objects were never made, although they could be."""
        keys = {SOURCE.key_of(path) or "" for path in self.objects}
        made = {key: version for key, (version, _) in self.published.items()}
        last = {run.key: run for run in self.started.values()}
        return [
            key
            for key in keys
            if made.get(key) != self.version(key) and not (key in last and last[key].is_given_up)
        ]

    @property
    def tries(self) -> int:
        """How often the objects that were tried most were tried in a row."""
        return max((run.number + 1 for run in self.started.values()), default=0)


@dataclass(frozen=True)
class Store(LocalStore):
    """The landing zone's objects."""

    world: World

    def require(self, root: str) -> None:
        pass

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        for _, item in self.world.listing():
            if item.uri.startswith(f"{prefix}/") and item.uri > after:
                yield item


@dataclass(frozen=True)
class Place(Deployment):
    """Where the zone lies."""

    world: World = field(default_factory=World)

    @property
    def landing(self) -> LandingZone:
        return LandingZone(ZONE, Store(self.world))


@dataclass(frozen=True)
class Boxes(Followers):
    """One asset that reads boxes, and its runs."""

    box: World = field(default_factory=World)

    def made(self) -> Mapping[str, str]:
        return {key: version for key, (version, _) in self.box.published.items()}

    def busy(
        self,
        keys: Iterable[str],
        instance: dg.DagsterInstance,  # noqa: ARG002
    ) -> frozenset[str]:
        return frozenset(run.key for run in self.box.runs.values()) & frozenset(keys)

    def requests(  # as the real one
        self,
        due: Sequence[Delivery],
        graph: AssetGraph,  # noqa: ARG002
        instance: dg.DagsterInstance,  # noqa: ARG002
    ) -> Iterator[dg.RunRequest]:
        for each in due:
            run_key = self.box.run_key(each.key, each.version)
            yield dg.RunRequest(run_key=run_key, partition_key=each.key)


@dataclass(frozen=True)
class Notifications:
    """A queue that hands out what can be received, in any order, and hides it for a minute."""

    world: World
    chance: random.Random
    url: str = "queue"

    def receive(self, most: int) -> Iterator[Message]:
        world = self.world
        visible = [name for name, (_, since) in world.queue.items() if since <= world.now]
        for name in self.chance.sample(visible, min(len(visible), most, 3)):
            path, _ = world.queue[name]
            world.queue[name] = (path, world.now + 60)
            yield Message(str(name), (f"{ZONE}/{path}",))

    def delete(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.world.queue.pop(int(message.receipt), None)


Evaluate = Callable[[dg.SensorEvaluationContext], dg.SensorResult]


@dataclass(frozen=True)
class Simulation:
    """One world and one sensor, driven by chance.

    Attributes:
        chance: Decides everything.
        settings: Of the sensor.
        instance: Knows what Dagster was told of landing objects.
        by_events: Whether the sensor reads the queue, and not the listing.
    """

    chance: random.Random
    settings: Settings
    instance: dg.DagsterInstance
    by_events: bool
    world: World = field(default_factory=World)
    definitions: dg.Definitions = field(default_factory=dg.Definitions)

    def sensor(self) -> Evaluate:
        """The real one, in this world."""
        place = Place(self.settings, world=self.world)
        watch = Watch(
            Boxes(SOURCE, (), (), place, box=self.world),
            self.settings,
            clock=lambda: self.world.now,
            segment_objects=2,
        )
        if self.by_events:
            queue = Notifications(self.world, self.chance)
            return EventWatch((watch,), queue, ZONE).evaluate
        return watch.evaluate

    def tick(self, *, is_lost: bool = False) -> None:
        """One evaluation; a lost one starts some of its runs and forgets the rest."""
        context = dg.build_sensor_context(
            self.instance, cursor=self.world.cursor, definitions=self.definitions
        )
        result = self.sensor()(context)
        requests = list(result.run_requests or [])
        started = requests[: self.chance.randint(0, len(requests))] if is_lost else requests
        for request in started:
            self.world.start(request)
        self.world.faults["sensor: lost tick"] += is_lost
        if not is_lost:
            self.world.cursor = result.cursor

    def step(self) -> None:
        """Something happens."""
        happenings: list[tuple[Callable[[], None], int]] = [
            (self._vendor_puts, 6),
            (self._vendor_deletes, 1),
            (self._time_passes, 3),
            (self.tick, 5),
            (lambda: self.tick(is_lost=True), 1),
            (self.world.try_again, 2),
            (self._run_reads, 2),
            (self._run_finishes, 3),
        ]
        what, weights = zip(*happenings, strict=True)
        self.chance.choices(what, weights)[0]()

    def settle(self) -> None:
        """Nothing happens any more but ticks and the end of runs."""
        for _ in range(60):
            self.world.now += 20
            self.tick()
            self.world.try_again()
            for run_key in list(self.world.runs):
                self.world.finish(run_key, fails=False)

    def _vendor_puts(self) -> None:
        path = f"boxes/{self.chance.choice('abcdefgh')}/{self.chance.choice('123')}"
        age = self.chance.choice([0, 0, 0, 5, 3600, -5])
        self.world.faults["sensor: object that comes late or from a clock ahead"] += age != 0
        content = self.chance.choice(["x", "y", "z", "x", "y", "z", "no boxes"])
        self.world.faults["sensor: object that no run can read"] += etag(content) == BROKEN
        self.world.put(path, content, age)
        self._tell(path)

    def _vendor_deletes(self) -> None:
        if self.world.objects:
            path = self.chance.choice(sorted(self.world.objects))
            del self.world.objects[path]
            self._tell(path)

    def _tell(self, path: str) -> None:
        copies = self.chance.choice([1, 1, 2])
        self.world.faults["sensor: event sent twice"] += copies > 1
        for _ in range(copies):
            delay = self.chance.choice([0, 0, 5, 200])
            self.world.faults["sensor: event out of order"] += delay > 0
            self.world.tell(path, delay)

    def _time_passes(self) -> None:
        self.world.now += self.chance.choice([0, 1, 5, 30, 70, 4000])

    def _run_reads(self) -> None:
        if self.world.runs:
            self.world.read(self.chance.choice(sorted(self.world.runs)))

    def _run_finishes(self) -> None:
        if self.world.runs:
            run_key = self.chance.choice(sorted(self.world.runs))
            fails = self.chance.random() < 0.2
            self.world.faults["sensor: run that fails"] += fails
            self.world.finish(run_key, fails=fails)


def simulated(
    chance: random.Random, instance: dg.DagsterInstance, *, by_events: bool, steps: int = 40
) -> World:
    """The world after some happenings, once everything has come to rest."""
    settings = Settings.model_construct(
        lake_uri="/lake", landing_settle_seconds=SETTLE, landing_objects_per_look=3
    )
    simulation = Simulation(chance, settings, instance, by_events)
    for _ in range(steps):
        simulation.step()
    simulation.settle()
    return simulation.world
