"""Sensors that watch what lands: by listing it, and by the events that S3 sends to a queue.

A sensor requests, for each delivery, one run of all that can be made from it at once. The assets
that read landing objects have no automation condition of their own, and Dagster's conditions ignore
updates of the run that made the asset, too: nothing is made twice.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.orchestration.sensors.cursor import (
    SEGMENT_OBJECTS,
    Cursor,
    Delivery,
    Verdict,
)
from pipeline_assets.orchestration.sensors.downstream import DownstreamAssets
from pipeline_assets.orchestration.sensors.look import Look, look, remembered
from pipeline_assets.orchestration.sensors.verdicts import Circumstances, judged
from pipeline_assets.settings import Settings

LOOK_SECONDS: Final = 1.2
"""A look at a long listing ends before it would take longer; it covers one segment at least."""

REQUESTS_AT_ONCE: Final = 50
"""Dagster starts the runs of a tick one after the other, and looks again when it has."""

MESSAGES_AT_ONCE: Final = 200
RELISTED_SECONDS: Final = 3600
"""How often the landing zone is listed where events tell what is new."""

_WAITS: Final[Mapping[Verdict, str]] = {
    "growing": "has just arrived or still grows",
    "busy": "a run in progress is making it",
    "early": "its window of time has not ended",
    "later": "left for the next look",
    "refused": "there is no such partition",
}
_NAMED: Final = 3


@dataclass(frozen=True)
class Watch:
    """Watches one landing source.

    Attributes:
        downstream: What is made from it.
        settings: How patiently.
        clock: Seconds since 1970.
        segment_objects: How finely its listing is remembered.
    """

    downstream: DownstreamAssets
    settings: Settings
    clock: Callable[[], float] = time.time
    segment_objects: int = SEGMENT_OBJECTS

    @property
    def source(self) -> LandingSource:
        """The landing source."""
        return self.downstream.source

    def evaluate(self, context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """One tick of the sensor that lists.

        Raises:
            PipelineError: The landing zone or the lake cannot be reached.
        """
        cursor = Cursor.decode(context.cursor)
        found = self._look(cursor)
        verdicts = judged(found, self.circumstances(found.changed, context.instance))
        due = [each for each in found.changed if verdicts[each.key] == "due"]
        after = remembered(cursor, found, verdicts, self.clock())
        told = [_seen(found), *waiting(verdicts), *named("not understood", found.strangers)]
        return respond([Due(self, due)], context, after.encode(), told)

    def circumstances(
        self, changed: Sequence[Delivery], instance: dg.DagsterInstance
    ) -> Circumstances:
        """What the verdicts on deliveries depend on; without deliveries nobody is asked.

        Raises:
            PipelineError: The lake cannot be read.
        """
        keys = [each.key for each in changed]
        cut = self.source.partitioning
        return Circumstances(
            now=self.clock(),
            settle=self.settings.landing_settle_seconds,
            limit=REQUESTS_AT_ONCE,
            made=self.downstream.materialised_versions() if keys else {},
            busy=self.downstream.busy(keys, instance) if keys else frozenset(),
            early=frozenset(key for key in keys if cut.is_open(key)),
            refused=frozenset(key for key in keys if cut.complaint(key)),
        )

    def deliveries(self, keys: Iterable[str]) -> dict[str, Delivery]:
        """What lies in some partitions now, as far as there is anything.

        Raises:
            PipelineError: The landing zone cannot be listed.
        """
        zone = self.downstream.deployment.landing
        found = {key: zone.partition(self.source, key) for key in keys}
        return {key: Delivery(key, objects) for key, objects in found.items() if objects}

    def _look(self, cursor: Cursor) -> Look:
        zone, most = self.downstream.deployment.landing, self.settings.landing_objects_per_look
        budget = TimeBudget(most, self.clock, self.clock())
        return look(
            cursor, zone.scan(self.source, cursor.after), budget.is_over, self.segment_objects
        )


@dataclass
class TimeBudget:
    """Ends a look before one more segment, as slow as the slowest, would make it too long.

    Attributes:
        most: Objects that are enough.
        clock: In seconds.
        started: When the look began.
        slowest: What a segment took at most.
        total: What all took that were seen.
    """

    most: int
    clock: Callable[[], float]
    started: float
    slowest: float = 0.0
    total: float = 0.0

    def is_over(self, seen: int) -> bool:
        """Asked after every segment; told how many objects were seen."""
        total = self.clock() - self.started
        self.slowest = max(self.slowest, total - self.total)
        self.total = total
        return seen >= self.most or total + self.slowest > LOOK_SECONDS


@dataclass(frozen=True)
class Due:
    """Deliveries to be made."""

    watch: Watch
    deliveries: Sequence[Delivery]

    def requests(self, context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest]:
        """Their runs."""
        if self.deliveries and context.repository_def:
            graph = context.repository_def.asset_graph
            yield from self.watch.downstream.requests(self.deliveries, graph, context.instance)

    def events(self, instance: dg.DagsterInstance) -> Iterator[dg.AssetMaterialization]:
        """What Dagster is told of the landing asset."""
        for each in self.deliveries:
            event = self.watch.source.unreported(each.key, each.objects, instance)
            if event:
                yield event

    def new_partitions(self) -> Iterator[dg.AddDynamicPartitionsRequest]:
        """Of a source whose partitions are what lands."""
        definition = self.watch.source.partitioning.definition
        if self.deliveries and isinstance(definition, dg.DynamicPartitionsDefinition):
            yield definition.build_add_request([each.key for each in self.deliveries])


def waiting(verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    """Why deliveries are not made yet, a text for each reason."""
    for verdict, reason in _WAITS.items():
        yield from named(reason, [key for key, found in verdicts.items() if found == verdict])


def named(reason: str, names: Sequence[str | None]) -> Iterator[str]:
    """A reason and the first of those it holds for; nothing if there are none."""
    if names:
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        yield f"{reason}: {', '.join(str(name) for name in names[:_NAMED])}{more}"


def respond(
    due: Sequence[Due], context: dg.SensorEvaluationContext, cursor: str, told: Sequence[str]
) -> dg.SensorResult:
    """Runs, events and new partitions of deliveries; where there are none, the reason."""
    requests = [request for each in due for request in each.requests(context)]
    events = [event for each in due for event in each.events(context.instance)]
    for line in told:
        context.log.info(line)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests or events else "; ".join(told),
        cursor=cursor,
        dynamic_partitions_requests=[add for each in due for add in each.new_partitions()],
        asset_events=events,
    )


def listing_sensor(watch: Watch) -> dg.SensorDefinition:
    """The sensor that lists one landing source."""
    settings = watch.settings
    seconds = RELISTED_SECONDS if settings.landing_queue_url else settings.sensor_seconds
    return dg.SensorDefinition(
        name=f"landing_{watch.source.name}",
        description=f"Makes what lands as `landing/{watch.source.name}`, found by listing.",
        evaluation_fn=watch.evaluate,
        target=selected_assets([watch]),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )


def _seen(found: Look) -> str:
    end = "" if found.is_complete else f" up to {found.stretches[-1].last}, the rest comes next"
    return f"looked at {found.objects:,} objects{end}"


def selected_assets(watches: Iterable[Watch]) -> dg.AssetSelection:
    """Every asset downstream of what is watched."""
    keys = {asset.key for watch in watches for asset in watch.downstream.assets}
    return dg.AssetSelection.assets(*sorted(keys))
