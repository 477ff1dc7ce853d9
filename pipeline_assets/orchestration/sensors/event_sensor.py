"""The sensor that S3's event notifications tell where to look."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from pipeline_assets.orchestration.sensors.cursor import (
    Delivery,
    Inbox,
    Pending,
    Verdict,
)
from pipeline_assets.orchestration.sensors.landing_sensor import (
    MESSAGES_AT_ONCE,
    REQUESTS_AT_ONCE,
    Due,
    Watch,
    named,
    respond,
    selected_assets,
    waiting,
)
from pipeline_assets.orchestration.sensors.look import kept
from pipeline_assets.orchestration.sensors.s3_events import Message, Queue
from pipeline_assets.orchestration.sensors.verdicts import judge, limited


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


def event_sensor(events: EventWatch) -> dg.SensorDefinition:
    """The sensor of the event queue, for all landing sources together."""
    return dg.SensorDefinition(
        name="landing_events",
        description="Makes what lands, told by the events that S3 sends to a queue.",
        evaluation_fn=events.evaluate,
        target=selected_assets(events.watches),
        minimum_interval_seconds=events.watches[0].settings.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )


def _is_done(places: Iterable[tuple[str, str]], inbox: Inbox, looks: Sequence[EventLook]) -> bool:
    """Whether all that a message tells of is made, or was remembered before this tick."""
    by_name = {each.watch.source.name: each for each in looks}
    return all(inbox.holds(name, key) or by_name[name].is_done(key) for name, key in places)
