"""The systems outside the lake as the settings describe them; nothing connects before it is used.

Plain values: whoever only asks these systems for their versions needs no resource of Dagster.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Final

from pydantic import SecretStr

from pipeline_assets.dataset.values.database import (
    KEYS,
    OLTP,
    STREAM,
    WAREHOUSE,
    WIKIMEDIA,
    Database,
    OutsideSystem,
)
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.keys.store import KeyStore
from pipeline_assets.settings import PREFIX, Settings
from pipeline_assets.storage.objects import store_of
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets.streams.event_stream import EventStream, Inbox
from pipeline_assets.streams.sealing import Limit
from pipeline_assets.wikimedia.access import Wikimedia

STREAM_SETTING: Final = "PIPELINE_STREAM_NAME"


def systems_of(settings: Settings) -> dict[str, OutsideSystem]:
    """Everything outside the lake that assets read or load into, by the name they give it."""
    return named_systems(
        databases_of(settings), stream_of(settings), wikimedia_of(settings), KeyStore.of(settings)
    )


def named_systems(
    databases: Mapping[str, Database], stream: EventStream, wikimedia: Wikimedia, keys: KeyStore
) -> dict[str, OutsideSystem]:
    """The systems by the name that assets give them, under which databases come already."""
    return {**databases, STREAM: stream, WIKIMEDIA: wikimedia, KEYS: keys}


def databases_of(settings: Settings) -> dict[str, Database]:
    """The databases, by the name that assets give them."""
    return {
        OLTP: _database(OLTP, settings.oltp_dsn),
        WAREHOUSE: _database(WAREHOUSE, settings.warehouse_dsn),
    }


def _database(name: str, dsn: SecretStr | None) -> Database:
    secret = SecretDsn(dsn.get_secret_value()) if dsn else None
    return Database(f"{PREFIX}{name.upper()}_DSN", secret)


def wikimedia_of(settings: Settings) -> Wikimedia:
    """Answers are kept in the lake, where the next process finds them, be it on another machine."""
    return Wikimedia(
        setting=f"{PREFIX}WIKIMEDIA_CONTACT",
        contact=settings.wikimedia_contact,
        project=settings.wikimedia_project,
        sentinel=settings.wikimedia_sentinel,
        endpoint=settings.wikimedia_endpoint_url,
        start=settings.pageviews_start,
        requests_per_run=settings.wikimedia_requests_per_run,
        answers=f"{settings.lake_uri}/_answers/wikimedia",
        store=store_of(settings.lake_uri, settings.s3),
    )


def stream_access(settings: Settings) -> S3Access:
    """How to reach Kinesis: as S3, at an endpoint of its own."""
    return replace(settings.s3, endpoint_url=settings.stream_endpoint_url)


def stream_of(settings: Settings) -> EventStream:
    """The stream of events."""
    return event_stream(
        settings.stream_name,
        stream_access(settings),
        Inbox(settings.landing_uri, store_of(settings.landing_uri, settings.s3)),
        settings.events_start,
        settings.stream_batch_records,
    )


def event_stream(
    name: str | None, access: S3Access, inbox: Inbox, since: date, batch_records: int
) -> EventStream:
    """A stream.

    Args:
        name: Its name, if one is set.
        access: How to reach Kinesis.
        inbox: Where its events land.
        since: The first day of the events.
        batch_records: How many records a batch holds at most.
    """
    return EventStream(
        setting=STREAM_SETTING,
        name=name,
        connect=lambda: access.client("kinesis"),
        inbox=inbox,
        since=since,
        limit=Limit(records=batch_records),
    )
