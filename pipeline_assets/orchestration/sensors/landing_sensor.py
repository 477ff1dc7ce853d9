"""Sensors that watch what lands: by listing it, and by the events that S3 sends to a queue.

A sensor requests, for each delivery, one run of all that can be made from it at once. The assets
that read landing objects have no automation condition of their own, and Dagster's conditions ignore
updates of the run that made the asset, too: nothing is made twice.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.landing_source import LandingSource
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.sensors.cursor import (
    SEGMENT_OBJECTS,
    Circumstances,
    Cursor,
    Delivery,
    Inbox,
    Look,
    Pending,
    Verdict,
    judge,
    judged,
    kept,
    limited,
    look,
    remembered,
)
from pipeline_assets.orchestration.sensors.downstream import Followers
from pipeline_assets.orchestration.sensors.s3_events import EventQueue, Message, Queue
from pipeline_assets.settings import Settings
from pipeline_assets.storage.s3_access import S3Access

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
        followers: What is made from it.
        settings: How patiently.
        clock: Seconds since 1970.
        segment_objects: How finely its listing is remembered.
    """

    followers: Followers
    settings: Settings
    clock: Callable[[], float] = time.time
    segment_objects: int = SEGMENT_OBJECTS

    @property
    def source(self) -> LandingSource:
        """The landing source."""
        return self.followers.source

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
            made=self.followers.made() if keys else {},
            busy=self.followers.busy(keys, instance) if keys else frozenset(),
            early=frozenset(key for key in keys if cut.is_open(key)),
            refused=frozenset(key for key in keys if cut.complaint(key)),
        )

    def deliveries(self, keys: Iterable[str]) -> dict[str, Delivery]:
        """What lies in some partitions now, as far as there is anything.

        Raises:
            PipelineError: The landing zone cannot be listed.
        """
        zone = self.followers.deployment.landing
        found = {key: zone.partition(self.source, key) for key in keys}
        return {key: Delivery(key, objects) for key, objects in found.items() if objects}

    def _look(self, cursor: Cursor) -> Look:
        zone, most = self.followers.deployment.landing, self.settings.landing_objects_per_look
        patience = Patience(most, self.clock, self.clock())
        return look(
            cursor, zone.scan(self.source, cursor.after), patience.is_over, self.segment_objects
        )


@dataclass
class Patience:
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
            yield from self.watch.followers.requests(self.deliveries, graph, context.instance)

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


@dataclass(frozen=True)
class EventWatch:
    """Watches all landing sources by the events of S3.

    Attributes:
        watches: One for each source.
        queue: Where the events come from.
        landing_uri: Where the sources lie.
    """

    watches: tuple[Watch, ...]
    queue: Queue
    landing_uri: str

    def evaluate(self, context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """One tick of the sensor that reads the queue.

        A message is deleted when a later tick finds that what it tells of is remembered or made.

        Raises:
            PipelineError: Queue, landing zone or lake cannot be reached.
        """
        inbox = Inbox.decode(context.cursor)
        messages = list(self.queue.receive(MESSAGES_AT_ONCE))
        news = {each.receipt: set(self._places(each)) for each in messages}
        looks = self._looks(inbox, set().union(*news.values()), context.instance)
        lost = [each for each in messages if _is_done(news[each.receipt], inbox, looks)]
        self.queue.delete(lost)
        problems = [each.problem for each in messages if each.problem]
        for problem in problems:
            context.log.error(f"{self.queue.url}: {problem}")
        after = Inbox({each.watch.source.name: each.pending(inbox) for each in looks})
        told = [
            f"{len(messages)} messages, {len(lost)} of them done with",
            *(text for each in looks for text in waiting(each.verdicts)),
            *named("not understood", problems),
        ]
        return respond([each.due for each in looks], context, after.encode(), told)

    def _places(self, message: Message) -> Iterator[tuple[str, str]]:
        """Landing sources and partitions that a message tells of."""
        for uri in message.uris:
            path = uri.removeprefix(f"{self.landing_uri}/")
            for watch in self.watches if path != uri else ():
                key = watch.source.key_of(path)
                if key is not None and not watch.source.ignored.fullmatch(path):
                    yield watch.source.name, key

    def _looks(
        self, inbox: Inbox, news: set[tuple[str, str]], instance: dg.DagsterInstance
    ) -> list["EventLook"]:
        looks: list[EventLook] = []
        limit = REQUESTS_AT_ONCE
        for watch in self.watches:
            name = watch.source.name
            open_ = {key for key, each in inbox.of(name).items() if not each.requested}
            keys = open_ | {key for source, key in news if source == name}
            found = watch.deliveries(sorted(keys))
            given = watch.circumstances(list(found.values()), instance)
            verdicts = {
                key: judge(each, inbox.of(name).get(key), given) for key, each in found.items()
            }
            looks.append(EventLook(watch, found, limited(verdicts, limit), frozenset(keys)))
            limit -= len(looks[-1].due.deliveries)
        return looks


@dataclass(frozen=True)
class EventLook:
    """What events of one source led to.

    Attributes:
        watch: Of the source.
        found: Deliveries by partition.
        verdicts: On each of them.
        keys: All partitions that were looked at, also those that are empty.
    """

    watch: Watch
    found: Mapping[str, Delivery]
    verdicts: Mapping[str, Verdict]
    keys: frozenset[str] = field(default_factory=frozenset)

    @property
    def due(self) -> Due:
        """What has to be made."""
        chosen = [self.found[key] for key, verdict in self.verdicts.items() if verdict == "due"]
        return Due(self.watch, chosen)

    def pending(self, inbox: Inbox) -> dict[str, Pending]:
        """What to remember of the source."""
        before = {
            key: each
            for key, each in inbox.of(self.watch.source.name).items()
            if key not in self.keys - self.found.keys()
        }
        return kept(before, self.found, self.verdicts, self.watch.clock())

    def is_done(self, key: str) -> bool:
        """Whether nothing has to be remembered of a partition."""
        return self.verdicts.get(key, "made") in {"made", "refused"}


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
    """Runs, events and new partitions of deliveries; without a run, the reason."""
    requests = [request for each in due for request in each.requests(context)]
    for line in told:
        context.log.info(line)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else "; ".join(told),
        cursor=cursor,
        dynamic_partitions_requests=[add for each in due for add in each.new_partitions()],
        asset_events=[event for each in due for event in each.events(context.instance)],
    )


def landing_sensors(
    sources: Sequence[LandingSource],
    assets: Sequence[LakeAsset],
    deployment: Deployment,
) -> list[dg.SensorDefinition]:
    """A sensor that lists for each source, and one for the event queue if there is one."""
    settings = deployment.settings
    watches = tuple(Watch(Followers.of(source, assets, deployment), settings) for source in sources)
    listing = [_listing_sensor(watch) for watch in watches if watch.followers.assets]
    if settings.landing_queue_url is None:
        return listing
    access = S3Access(settings.sqs_endpoint_url, settings.s3_region)
    queue = EventQueue(settings.landing_queue_url, access)
    return [*listing, _event_sensor(EventWatch(watches, queue, settings.landing_uri))]


def _listing_sensor(watch: Watch) -> dg.SensorDefinition:
    settings = watch.settings
    seconds = RELISTED_SECONDS if settings.landing_queue_url else settings.sensor_seconds
    return dg.SensorDefinition(
        name=f"landing_{watch.source.name}",
        description=f"Makes what lands as `landing/{watch.source.name}`, found by listing.",
        evaluation_fn=watch.evaluate,
        target=_selection([watch]),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )


def _event_sensor(events: EventWatch) -> dg.SensorDefinition:
    return dg.SensorDefinition(
        name="landing_events",
        description="Makes what lands, told by the events that S3 sends to a queue.",
        evaluation_fn=events.evaluate,
        target=_selection(events.watches),
        minimum_interval_seconds=events.watches[0].settings.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )


def _selection(watches: Iterable[Watch]) -> dg.AssetSelection:
    keys = {asset.key for watch in watches for asset in watch.followers.assets}
    return dg.AssetSelection.assets(*sorted(keys))


def _seen(found: Look) -> str:
    end = "" if found.is_complete else f" up to {found.stretches[-1].last}, the rest comes next"
    return f"looked at {found.objects:,} objects{end}"


def _is_done(places: Iterable[tuple[str, str]], inbox: Inbox, looks: Sequence[EventLook]) -> bool:
    """Whether all that a message tells of is made, or was remembered before this tick."""
    by_name = {each.watch.source.name: each for each in looks}
    return all(inbox.holds(name, key) or by_name[name].is_done(key) for name, key in places)
