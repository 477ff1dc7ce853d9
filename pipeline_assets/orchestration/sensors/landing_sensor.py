"""Sensors that watch what vendors deliver, and request a run for each new delivery.

Each landing source has a sensor that lists it. The event sensor beside them reads the queue that S3
notifies, where one is configured. Both request one run per delivery, with every asset that can be
materialised from it at once. Those assets must not start by themselves as well: ingests have no
automation condition, and Dagster's conditions ignore updates from the run that they are part of.
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
from pipeline_assets.orchestration.sensors.listing_pass import next_cursor, read_listing
from pipeline_assets.orchestration.sensors.verdicts import LakeState, verdicts_on
from pipeline_assets.settings import Settings

PASS_SECONDS: Final = 1.2
"""A listing pass ends before it would take longer, but never before one segment is read."""

REQUESTS_AT_ONCE: Final = 50
"""Run requests per tick: Dagster starts them one after the other before it ticks again."""

MESSAGES_AT_ONCE: Final = 200
RELISTED_SECONDS: Final = 3600
"""How often the landing zone is listed although events announce new objects."""

_REASONS_TO_WAIT: Final[Mapping[Verdict, str]] = {
    "growing": "has just arrived or still grows",
    "in_progress": "a run in progress materialises it",
    "early": "its window of time has not ended",
    "later": "left for the next tick",
    "refused": "there is no such partition",
    "withdrawn": "some of its objects have gone, and what is published is kept",
}
_NAMES_SHOWN: Final = 3


@dataclass(frozen=True)
class Watch:
    """Watches one landing source.

    Attributes:
        downstream: The assets that are materialised from it.
        settings: How long objects must not have changed, and how much one tick does.
        clock: Seconds since 1970.
        segment_objects: Number of objects in a segment of the cursor.
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
        zone = self.downstream.deployment.landing
        budget = TimeBudget(self.settings.landing_objects_per_look, self.clock, self.clock())
        listing = zone.scan(self.source, cursor.after)
        found = read_listing(cursor, listing, budget.is_over, self.segment_objects)
        verdicts = verdicts_on(found, self.lake_state(found.changed, context.instance))
        due = [each for each in found.changed if verdicts[each.key] == "due"]
        after = next_cursor(cursor, found, verdicts, self.clock())
        rest = "" if found.is_complete else f" up to {found.segments[-1].last}, the rest comes next"
        messages = [
            f"listed {found.objects:,} objects{rest}",
            *reasons_to_wait(verdicts),
            *first_names("not understood", found.unrecognised),
        ]
        return sensor_result([(self, due)], context, after.encode(), messages)

    def lake_state(self, changed: Sequence[Delivery], instance: dg.DagsterInstance) -> LakeState:
        """What the verdicts on deliveries depend on.

        Without deliveries neither the lake nor the instance is read: most ticks find nothing new.

        Raises:
            PipelineError: The lake cannot be read.
        """
        keys = [each.key for each in changed]
        partitioning = self.source.partitioning
        return LakeState(
            now=self.clock(),
            settle=self.settings.landing_settle_seconds,
            limit=REQUESTS_AT_ONCE,
            materialised=self.downstream.materialised_versions() if keys else {},
            in_progress=self.downstream.in_progress(keys, instance) if keys else frozenset(),
            early=frozenset(key for key in keys if partitioning.is_open(key)),
            refused=frozenset(key for key in keys if partitioning.complaint(key)),
            withdrawn=self.downstream.withdrawn(changed),
        )

    def deliveries(self, keys: Iterable[str]) -> dict[str, Delivery]:
        """What is delivered of some partitions now; partitions without objects are left out.

        Raises:
            PipelineError: The landing zone cannot be listed.
        """
        zone = self.downstream.deployment.landing
        found = zone.deliveries(self.source, list(keys))
        return {key: Delivery(key, objects) for key, objects in found.items() if objects}


@dataclass
class TimeBudget:
    """Ends a listing pass when one more segment, as slow as the slowest, would take too long.

    Attributes:
        most: Number of objects after which the pass ends in any case.
        clock: In seconds.
        started: When the pass began.
        slowest: How long the slowest segment took.
        total: How long all segments took so far.
    """

    most: int
    clock: Callable[[], float]
    started: float
    slowest: float = 0.0
    total: float = 0.0

    def is_over(self, listed: int) -> bool:
        """Whether the pass ends here; called after every segment with the objects so far."""
        total = self.clock() - self.started
        self.slowest = max(self.slowest, total - self.total)
        self.total = total
        return listed >= self.most or total + self.slowest > PASS_SECONDS


def reasons_to_wait(verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    """Why deliveries get no run yet, one text per reason."""
    for verdict, reason in _REASONS_TO_WAIT.items():
        yield from first_names(reason, [key for key, it in verdicts.items() if it == verdict])


def first_names(reason: str, names: Sequence[str | None]) -> Iterator[str]:
    """A reason with the first names that it holds for; nothing where there are none."""
    if names:
        more = f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
        yield f"{reason}: {', '.join(str(name) for name in names[:_NAMES_SHOWN])}{more}"


def sensor_result(
    due: Iterable[tuple[Watch, Sequence[Delivery]]],
    context: dg.SensorEvaluationContext,
    cursor: str,
    messages: Sequence[str],
) -> dg.SensorResult:
    """Run requests, events and new partitions of the due deliveries of some sources.

    Where there are none, the messages say why.
    """
    requests: list[dg.RunRequest] = []
    events: list[dg.AssetMaterialization] = []
    new_partitions: list[dg.AddDynamicPartitionsRequest] = []
    for watch, deliveries in due:
        if deliveries and context.repository_def:
            graph = context.repository_def.asset_graph
            requests += watch.downstream.requests(deliveries, graph, context.instance)
        # What an earlier tick has reported already is left out.
        delivered = {each.key: each.objects for each in deliveries}
        events += watch.source.unreported(delivered, context.instance) if delivered else []
        definition = watch.source.partitioning.definition
        if deliveries and isinstance(definition, dg.DynamicPartitionsDefinition):
            new_partitions.append(definition.build_add_request([each.key for each in deliveries]))
    for message in messages:
        context.log.info(message)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests or events else "; ".join(messages),
        cursor=cursor,
        dynamic_partitions_requests=new_partitions,
        asset_events=events,
    )


def listing_sensor(watch: Watch) -> dg.SensorDefinition:
    """The sensor that lists one landing source."""
    settings = watch.settings
    # Events may get lost between S3 and the queue, so the listing goes on, only less often.
    seconds = RELISTED_SECONDS if settings.landing_queue_url else settings.sensor_seconds
    return dg.SensorDefinition(
        name=f"landing_{watch.source.name}",
        description=f"Lists `landing/{watch.source.name}` and requests runs for new deliveries.",
        evaluation_fn=watch.evaluate,
        target=selected_assets([watch]),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )


def selected_assets(watches: Iterable[Watch]) -> dg.AssetSelection:
    """Every asset downstream of the watched sources."""
    keys = {asset.key for watch in watches for asset in watch.downstream.assets}
    return dg.AssetSelection.assets(*sorted(keys))
