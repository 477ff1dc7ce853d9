"""The activity domain on a lake of its own: put records, land objects, update, read tables."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import dagster as dg

from pipeline_assets.command.runs import Outcome
from pipeline_assets.command.stream.reading import read_stream
from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.definitions import assets_for, build_definitions, landing_for
from pipeline_assets.domains import activity
from pipeline_assets.domains.activity.assets import EVENTS, stream_batches
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.settings import Settings
from pipeline_assets_tests.updating import Updated, read_lake, update

ASSETS = tuple(datasets_in(activity).assets)


def event(number: int, at: str, **changes: object) -> dict[str, Any]:
    """A view of film 7 by customer 1 that took a minute."""
    fields = {"customer_id": 1, "film_id": 7, "kind": "view", "seconds": 60}
    return {"event_id": f"e{number}", **fields, "occurred_at": at, **changes}


@dataclass(frozen=True)
class World:
    settings: Settings
    instance: dg.DagsterInstance

    @cached_property
    def client(self) -> Any:  # noqa: ANN401 - boto3 makes clients at run time
        return boto3.client(
            "kinesis",
            endpoint_url=self.settings.stream_endpoint_url,
            region_name=self.settings.s3_region,
            aws_access_key_id="key-of-the-tests",
            aws_secret_access_key="secret-of-the-tests",
        )

    @cached_property
    def updater(self) -> Updater:
        definitions = build_definitions(self.settings, assets=ASSETS)
        sources = [it for it in landing_for(self.settings) if it.key == EVENTS.key]
        assets = assets_for(self.settings, ASSETS)
        return Updater(
            assets, sources, Deployment(self.settings), self.instance, definitions=definitions
        )

    def create_stream(self, shards: int = 2) -> None:
        self.client.create_stream(StreamName=self.settings.stream_name, ShardCount=shards)

    def put(self, *records: bytes | Mapping[str, object]) -> None:
        """Put records; one that is no bytes is an event."""
        chosen = [it if isinstance(it, bytes) else json.dumps(it).encode() for it in records]
        self.client.put_records(
            StreamName=self.settings.stream_name,
            Records=[{"Data": data, "PartitionKey": str(hash(data))} for data in chosen],
        )

    def land(self, day: str, customers: int) -> None:
        """Land an event of so many customers on the noon of a day."""
        hour = f"{day}T12"
        found = (
            event(number, f"{hour}:00:00Z", event_id=f"{day}-{number}", customer_id=number)
            for number in range(1, customers + 1)
        )
        path = Path(self.settings.landing_uri, "activity", hour, "events.jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(map(json.dumps, found)))

    def read(self) -> list[Outcome]:
        """Read the stream to its tip."""
        Path(self.settings.landing_uri).mkdir(exist_ok=True)
        return list(read_stream(self.updater))

    def update(self) -> Updated:
        return update(self.updater)

    def batches(self) -> Mapping[str, PartitionRecord]:
        return Deployment(self.settings).lake.records(stream_batches.table)

    def objects(self) -> dict[str, int]:
        """What has landed, with the time of each object."""
        landing = Path(self.settings.landing_uri)
        found = (path for path in landing.rglob("*") if path.is_file())
        return {path.relative_to(landing).as_posix(): path.stat().st_mtime_ns for path in found}

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return read_lake(self.settings, ASSETS, sql)
