"""The sensor that reads S3's event notifications from a queue.

An event only says which partition to list; what the listing shows decides. One sensor serves all
landing sources, because they share the queue.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

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
    Watch,
    first_names,
    reasons_to_wait,
    selected_assets,
    sensor_result,
)
from pipeline_assets.orchestration.sensors.listing_pass import next_inbox
from pipeline_assets.orchestration.sensors.s3_events import Message, Queue
from pipeline_assets.orchestration.sensors.verdicts import limited, verdict_on


@dataclass(frozen=True)
class EventWatch:
    """Watches all landing sources by the events of S3.

    Attributes:
        watches: One for each source.
        queue: The queue that S3 notifies.
        landing_uri: Root of the landing zone.
    """

    watches: tuple[Watch, ...]
    queue: Queue
    landing_uri: str

    def evaluate(self, context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """One tick of the sensor that reads the queue.

        The tick deletes a message only when its partitions are materialised, or when an earlier
        tick has stored them in the cursor. Dagster stores the cursor after the tick, so a daemon
        that is killed meanwhile receives the message again.

        Raises:
            PipelineError: The queue, the landing zone or the lake cannot be reached.
        """
        inbox = Inbox.decode(context.cursor)
        messages = list(self.queue.receive(MESSAGES_AT_ONCE))
        news = {each.receipt: set(self._partitions(each)) for each in messages}
        listings = self._listings(inbox, set().union(*news.values()), context.instance)
        by_name = {each.watch.source.name: each for each in listings}
        handled = [
            message
            for message in messages
            if all(
                key in inbox.of(name) or by_name[name].is_done(key)
                for name, key in news[message.receipt]
            )
        ]
        self.queue.delete(handled)
        problems = [each.problem for each in messages if each.problem]
        for problem in problems:
            context.log.error(f"{self.queue.url}: {problem}")
        after = Inbox({name: each.pending(inbox) for name, each in by_name.items()})
        notes = [
            f"{len(messages)} messages, {len(handled)} of them done with",
            *(text for each in listings for text in reasons_to_wait(each.verdicts)),
            *first_names("not understood", problems),
        ]
        return sensor_result(
            [(it.watch, it.due) for it in listings], context, after.encode(), notes
        )

    def _partitions(self, message: Message) -> Iterator[tuple[str, str]]:
        """Landing source and partition of every object that a message names."""
        for uri in message.uris:
            path = uri.removeprefix(f"{self.landing_uri}/")
            for watch in self.watches if path != uri else ():
                key = watch.source.key_of(path)
                if key is not None and not watch.source.ignores(path):
                    yield watch.source.name, key

    def _listings(
        self, inbox: Inbox, news: Iterable[tuple[str, str]], instance: dg.DagsterInstance
    ) -> list["EventListing"]:
        listings: list[EventListing] = []
        limit = REQUESTS_AT_ONCE
        for watch in self.watches:
            remembered = inbox.of(watch.source.name)
            open_ = {key for key, each in remembered.items() if not each.requested}
            keys = open_ | {key for source, key in news if source == watch.source.name}
            found = watch.deliveries(sorted(keys))
            state = watch.lake_state(list(found.values()), instance)
            verdicts = {
                key: verdict_on(each, remembered.get(key), state) for key, each in found.items()
            }
            listings.append(EventListing(watch, found, limited(verdicts, limit), frozenset(keys)))
            # All sources together may request so many runs.
            limit -= len(listings[-1].due)
        return listings


@dataclass(frozen=True)
class EventListing:
    """The listing of those partitions of one source that events named.

    Attributes:
        watch: The source's watch.
        found: Deliveries by partition.
        verdicts: The verdict on each of them.
        keys: All partitions that were listed, those without objects included.
    """

    watch: Watch
    found: Mapping[str, Delivery]
    verdicts: Mapping[str, Verdict]
    keys: frozenset[str]

    @property
    def due(self) -> list[Delivery]:
        """The deliveries for which a run is due."""
        return [self.found[key] for key, verdict in self.verdicts.items() if verdict == "due"]

    def pending(self, inbox: Inbox) -> dict[str, Pending]:
        """What the next inbox remembers of the source."""
        # Partitions whose objects are gone are forgotten.
        empty = self.keys - self.found.keys()
        remembered = inbox.of(self.watch.source.name).items()
        before = {key: each for key, each in remembered if key not in empty}
        return next_inbox(before, self.found, self.verdicts, self.watch.clock())

    def is_done(self, key: str) -> bool:
        """Whether nothing more has to be done for a partition."""
        return self.verdicts.get(key, "materialised") in {"materialised", "refused"}


def event_sensor(events: EventWatch) -> dg.SensorDefinition:
    """The sensor of the event queue, for all landing sources together."""
    return dg.SensorDefinition(
        name="landing_events",
        description="Requests runs for new deliveries that S3 announces through a queue.",
        evaluation_fn=events.evaluate,
        target=selected_assets(events.watches),
        minimum_interval_seconds=events.watches[0].settings.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
