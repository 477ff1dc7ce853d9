"""From the records of a stream, or of Firehose's objects, to what every customer does a day.

The stream is read in batches, which land in a folder for each hour of the events, as Firehose would
put them there. Everything behind the landing zone is the same for both.
"""

import re
from collections.abc import Iterator
from datetime import UTC
from typing import TYPE_CHECKING, Any

import ibis.expr.types as ir

from pipeline_assets.dataset.accounting import Delivery
from pipeline_assets.dataset.asset import ingest_asset, lake_asset
from pipeline_assets.dataset.inputs import Landed
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.domains.activity.checks import (
    events_come_once,
    every_event_counts_once,
    every_line_accounted,
)
from pipeline_assets.domains.activity.contracts import (
    ACTIVITY,
    CustomerActivity,
    Events,
    RawEvents,
    RejectedRows,
    RentsAfterViews,
    StreamBatches,
)
from pipeline_assets.domains.activity.customers import activity_of
from pipeline_assets.domains.activity.customers import rents_after_views as followed_films
from pipeline_assets.domains.activity.hours import HOUR, Hours
from pipeline_assets.domains.activity.plots import EVENTS_BY_KIND, RENTED_AFTER_OTHERS
from pipeline_assets.domains.activity.records import FILES, accepted, rejected
from pipeline_assets.partitions import BATCHES, EVENT_DAYS, HOURS
from pipeline_assets.streams.batch import SealedBatch, object_name
from pipeline_assets.streams.event_stream import EventStream
from pipeline_assets.streams.kinesis import Records
from pipeline_assets.streams.unpacking import Unpacked, unpacked

if TYPE_CHECKING:
    import pyarrow as pa

EVENTS = LandingSource(
    name="activity",
    prefix="activity",
    pattern=re.compile(r"activity/(?P<key>[^/]+)/.+"),
    partitioning=HOURS,
    description="Events of customers as JSON lines, gzipped or not, in a folder for each hour of "
    "the events in UTC, such as `activity/2026-01-31T23/`: from Firehose, or from the batches of "
    "the stream.",
    expected="activity/{hour}/{name}, such as activity/2026-01-31T23/events-1.jsonl.gz",
)


@ingest_asset(
    domain=ACTIVITY,
    contract=StreamBatches,
    code_version="1",
    partitions=BATCHES,
    delivery=None,
    keeps_newest=100,
)
def stream_batches(
    stream: EventStream, config: SealedBatch, workspace: Workspace
) -> "Iterator[pa.RecordBatch]":
    """What was read of the stream, batch by batch; the lines land by the hour of their event.

    A batch names the records that it reads, so that a run that repeats it lands the same objects.
    Once it is published it is read: the batch that follows begins behind it.
    """
    import pyarrow as pa

    (batch,) = workspace.keys
    hours = Hours(stream.since.strftime(HOUR))
    rows = []
    for shard, records in stream.records(config):
        found = unpacked(records)
        hours.add(found.lines, found.arrived)
        rows.append({"batch": batch, "stream": config.stream, **_row(shard, records, found)})
    name = object_name(config)
    stream.inbox.put(
        {f"{EVENTS.prefix}/{hour}/{name}": lines for hour, lines in hours.lines.items()}
    )
    yield pa.RecordBatch.from_pylist(rows, schema=workspace.schema)


@ingest_asset(
    domain=ACTIVITY, contract=RawEvents, code_version="1", partitions=HOURS, landing=EVENTS
)
def raw_events(deliveries: Landed, workspace: Workspace) -> "Iterator[pa.RecordBatch]":
    """The lines of an hour as they landed."""
    return FILES.rows(deliveries.objects, HOURS.column, workspace)


@lake_asset(domain=ACTIVITY, contract=RejectedRows, partitions=HOURS)
def rejected_rows(raw_events: ir.Table) -> ir.Table:
    """Every line that is no event, and every event that came before, with its place."""
    return rejected(raw_events)


@lake_asset(
    domain=ACTIVITY,
    contract=Events,
    partitions=HOURS,
    checks=[every_line_accounted, events_come_once],
    plots=[EVENTS_BY_KIND],
    delivery=Delivery(read="raw_events"),
)
def events(raw_events: ir.Table) -> ir.Table:
    """What customers did, once each; late events have their hour computed again with them."""
    return accepted(raw_events)


@lake_asset(
    domain=ACTIVITY,
    contract=CustomerActivity,
    partitions=EVENT_DAYS,
    mappings={"events": HOURS},
    checks=[every_event_counts_once],
)
def customer_activity(events: ir.Table) -> ir.Table:
    """How every customer spent a day: time, kinds of events, sessions, rents after views."""
    return activity_of(events)


@lake_asset(
    domain=ACTIVITY,
    contract=RentsAfterViews,
    partitions=EVENT_DAYS,
    mappings={"events": HOURS},
    plots=[RENTED_AFTER_OTHERS],
)
def rents_after_views(events: ir.Table) -> ir.Table:
    """What every customer rented on a day after what he viewed: from film to film."""
    return followed_films(events)


def _row(shard: str, records: Records, found: Unpacked) -> dict[str, Any]:
    first, last = (records.arrived[place].astimezone(UTC) for place in (0, -1))
    return {
        "shard": shard,
        "first_sequence": records.sequences[0],
        "last_sequence": records.sequences[-1],
        "records": len(records),
        "lines": len(found.lines),
        "unreadable": found.unreadable,
        "bytes": records.size,
        "first_arrival": first.replace(tzinfo=None),
        "last_arrival": last.replace(tzinfo=None),
    }
