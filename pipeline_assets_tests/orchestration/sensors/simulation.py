"""Histories of a landing zone, played to the real landing sensors by chance.

Objects appear, are overwritten and go; runs are slow, read late and fail; somebody makes a range
of partitions by hand; ticks find nobody at home, or are lost after they have started some of their
runs; events come twice, late, and in any order. What stands around the sensors is in
``simulated_world``; the sensors and all that they ask of Dagster and of the lake are the real ones.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import dagster as dg

from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.sensors.event_sensor import EventWatch
from pipeline_assets.orchestration.sensors.landing_sensor import Watch
from pipeline_assets.settings import Settings
from pipeline_assets_tests.orchestration.sensors.boxes import BOX, definitions
from pipeline_assets_tests.orchestration.sensors.simulated_edges import Notifications, downstream
from pipeline_assets_tests.orchestration.sensors.simulated_world import (
    BROKEN,
    ZONE,
    World,
    etag,
)

SETTLE = 10.0
SETTINGS = Settings.model_construct(
    lake_uri="/lake", landing_settle_seconds=SETTLE, landing_objects_per_look=3
)
DEFINITIONS = definitions()
Evaluate = Callable[[dg.SensorEvaluationContext], dg.SensorResult]


@dataclass(frozen=True)
class Simulation:
    """One world and one sensor, driven by chance.

    Attributes:
        chance: Decides everything.
        world: Around the sensor.
        by_events: Whether the sensor reads the queue, and not the listing.
    """

    chance: random.Random
    world: World
    by_events: bool
    definitions: dg.Definitions = field(default_factory=lambda: DEFINITIONS)

    def sensor(self) -> Evaluate:
        """The real one, in this world."""
        watch = Watch(
            downstream(self.world, SETTINGS),
            SETTINGS,
            clock=lambda: self.world.now,
            segment_objects=2,
        )
        if self.by_events:
            return EventWatch((watch,), Notifications(self.world, self.chance), ZONE).evaluate
        return watch.evaluate

    def tick(self, *, is_lost: bool = False) -> None:
        """One evaluation; a lost one starts some of its runs and forgets the rest."""
        context = dg.build_sensor_context(
            self.world.instance, cursor=self.world.cursor, definitions=self.definitions
        )
        result = self.sensor()(context)
        for added in result.dynamic_partitions_requests or ():
            assert isinstance(added, dg.AddDynamicPartitionsRequest)
            self.world.instance.add_dynamic_partitions("box", added.partition_keys)
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
            (self._time_passes, 4),
            (self.tick, 5),
            (lambda: self.tick(is_lost=True), 1),
            (self._tick_in_vain, 1),
            (self.world.try_again, 2),
            (self._run_reads, 2),
            (self._run_goes_on, 14),
            (self._somebody_makes_a_range, 4),
        ]
        what, weights = zip(*happenings, strict=True)
        self.chance.choices(what, weights)[0]()

    def settle(self) -> None:
        """Nothing happens any more but ticks and the end of runs."""
        for _ in range(30):
            self.world.now += 40
            self.tick()
            self.world.try_again()
            running = sorted(self.world.runs)
            for run_key in self.chance.sample(running, len(running)):
                while run_key in self.world.runs:
                    self.world.go_on(run_key)

    def _vendor_puts(self) -> None:
        being_made = [key for run in self.world.runs.values() for key in run.keys]
        path = f"boxes/{self.chance.choice([*'abcdef', *being_made])}/{self.chance.choice('12')}"
        age = self.chance.choice([0, 0, 0, 5, 3600, -5])
        self.world.faults["sensor: object that comes late or from a clock ahead"] += age != 0
        content = self.chance.choice([*"xyzxyzxyz", "no boxes"])
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

    def _tick_in_vain(self) -> None:
        """The landing zone or the lake does not answer; a sensor that need not ask may succeed."""
        self.world.down = self.chance.choice(["landing zone", "lake"])
        try:
            self.tick()
        except PipelineError:
            self.world.faults[f"sensor: {self.world.down} that does not answer"] += 1
        self.world.down = None

    def _run_reads(self) -> None:
        if self.world.runs:
            self.world.read(self.chance.choice(sorted(self.world.runs)))

    def _run_goes_on(self) -> None:
        if self.world.runs:
            run_key = self.chance.choice(sorted(self.world.runs))
            fails = self.chance.random() < 0.1
            self.world.faults["sensor: run that fails"] += fails
            self.world.go_on(run_key, fails=fails)

    def _somebody_makes_a_range(self) -> None:
        """Of neighbours as Dagster orders partitions: by when it was told of them."""
        keys = BOX.keys(self.world.instance)
        length = self.chance.choice([1, 2, 3])
        ranges = [keys[place : place + length] for place in range(len(keys) - length + 1)]
        free = [each for each in ranges if self.world.is_free(each)]
        if free:
            self.world.start_by_hand(self.chance.choice(free))


def simulated(
    chance: random.Random, instance: dg.DagsterInstance, *, by_events: bool, steps: int = 40
) -> World:
    """The world after some happenings, once everything has come to rest.

    Args:
        chance: Decides what happens.
        instance: Dagster's storage in memory, emptied first: to make another one takes longer.
        by_events: Whether the sensor reads a queue, and not the listing.
        steps: How much happens.
    """
    instance.run_storage.wipe()
    instance.event_log_storage.wipe()
    simulation = Simulation(chance, World(instance), by_events)
    for _ in range(steps):
        simulation.step()
    simulation.settle()
    return simulation.world
