"""Resources of Dagster that the lake is built on: S3, databases, the embedded engine.

The page of the code location lists them with the configuration that the settings gave them. A field
is shown there. A value that may hold a secret (a connection string, the catalog's URL, Spark
properties) is therefore no field but a :class:`Hidden` value. `dagster.EnvVar` would not do:
settings also come from `.env`, and the demo's databases have no variable. Nothing connects before
it is used.
"""

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import dagster as dg
from pydantic import Field

from pipeline_assets.dataset.values.database import Database
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.keys.store import KeyStore
from pipeline_assets.orchestration.outside import event_stream
from pipeline_assets.orchestration.resources.part import Part
from pipeline_assets.storage.objects import store_of
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets.streams.event_stream import EventStream, Inbox
from pipeline_assets.wikimedia.access import Wikimedia

if TYPE_CHECKING:
    from pipeline_assets.engines.embedded.engine import EmbeddedEngine

Value = TypeVar("Value")
NO_STREAM: Final = "not set"


@dataclass(frozen=True)
class Hidden(Generic[Value]):
    """A value that may hold a secret: it is neither printed nor shown."""

    value: Value = field(repr=False)


class S3(Part):
    """Access to S3. Credentials come from boto3's own chain."""

    endpoint_url: str | None = Field(None, description="Endpoint of an S3 that is not Amazon's.")
    region: str | None = Field(None, description="Region, if not boto3's default.")
    kms_key_id: str | None = Field(None, description="KMS key that encrypts all written objects.")

    def access(self) -> S3Access:
        """The value that storage, catalog and engines share."""
        return S3Access(self.endpoint_url, self.region, self.kms_key_id)

    def store(self, uri: str) -> ObjectStore:
        """The object store that a URI lies in: S3 or a folder."""
        return store_of(uri, self.access())


class PostgresDatabase(Part):
    """A Postgres outside the lake. Its connection string stays in the environment."""

    setting: str = Field(description="Variable that holds the connection string.")
    place: str = Field(description="Database and server that the variable names.")
    database: dg.ResourceDependency[Database]


class KinesisStream(Part):
    """A stream of Kinesis, read in batches, whose events land as objects."""

    stream_name: str = Field(description="The stream, or that none is set.")
    endpoint_url: str | None = Field(None, description="Endpoint of a Kinesis not Amazon's.")
    batch_records: int = Field(description="How many records a batch holds at most.")
    landing_uri: str = Field(description="Folder or s3:// prefix that its events land in.")
    since: str = Field(description="First day of the events, ISO 8601.")
    s3: dg.ResourceDependency[S3]

    def stream(self) -> EventStream:
        """The stream; nothing connects yet."""
        return event_stream(
            None if self.stream_name == NO_STREAM else self.stream_name,
            replace(self.s3.access(), endpoint_url=self.endpoint_url),
            Inbox(self.landing_uri, self.s3.store(self.landing_uri)),
            date.fromisoformat(self.since),
            self.batch_records,
        )


class KeysInDynamoDb(Part):
    """The table of DynamoDB that rows are published to by key."""

    table: str = Field(description="The table, or that none is set.")
    endpoint_url: str | None = Field(None, description="Endpoint of a DynamoDB not Amazon's.")
    store: dg.ResourceDependency[KeyStore]


class WikimediaApi(Part):
    """Wikimedia's web APIs: who asks them, of which project, and where answers are kept."""

    project: str = Field(description="The wiki, such as en.wikipedia.")
    contact: str | None = Field(None, description="Whom Wikimedia can write to.")
    access: dg.ResourceDependency[Wikimedia]


class ConfigurableEmbeddedEngine(Part):
    """DuckDB in the process of the step."""

    memory_limit_mib: int = Field(description="Memory in MiB beyond which DuckDB spills to disk.")
    threads: int = Field(description="Number of threads.")
    spill_dir: str | None = Field(
        None, description="Folder for spill files; a temporary one if unset."
    )
    comprehend_budget_usd: float = Field(0, description="What a run may cost at Comprehend.")
    s3: dg.ResourceDependency[S3]

    def engine(self) -> "EmbeddedEngine":
        """The engine."""
        from pipeline_assets.engines.embedded.engine import EmbeddedEngine
        from pipeline_assets.learning.comprehend import Comprehend
        from pipeline_assets.learning.kinds import KINDS

        return EmbeddedEngine(
            memory_limit_mib=self.memory_limit_mib,
            threads=self.threads,
            spill_dir=Path(self.spill_dir) if self.spill_dir else None,
            s3=self.s3.access(),
            kinds={**KINDS, "comprehend": Comprehend(self.comprehend_budget_usd, self.s3.region)},
        )
