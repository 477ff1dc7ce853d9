"""What a publish has done, told to whoever collects lineage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.publish.attempt import Attempt
from spark_resources.job import AuditResult


@dataclass(frozen=True)
class ReadTable:
    """A table of the lake that was read.

    Attributes:
        parameter: Of the asset's function; column lineage names the table by it.
        asset: The asset's name, such as ``music/users``.
        snapshot_id: The snapshot that was read; None of a table that was empty.
        is_text: Whether lines of the text that the table lists were read, not its rows.
    """

    parameter: str
    asset: str
    snapshot_id: int | None
    is_text: bool = False


@dataclass(frozen=True)
class Origin:
    """What an attempt has read.

    Attributes:
        description: Of the asset.
        tables: Tables of the lake.
        objects: URIs of landed objects.
    """

    description: str = ""
    tables: tuple[ReadTable, ...] = ()
    objects: tuple[str, ...] = ()

    @classmethod
    def of(cls, attempt: Attempt) -> "Origin":
        """What an attempt reads, by the snapshots that were current when its inputs were loaded."""
        specs = {spec.name: spec for spec in attempt.asset.inputs}
        tables = (
            ReadTable(name, specs[name].upstream, lazy.snapshot_id, specs[name].read_as != "table")
            for name, lazy in attempt.lazy.items()
            if name in specs
        )
        objects = (
            stored.uri
            for landed in attempt.landed.values()
            for delivery in landed.objects.values()
            for stored in delivery
        )
        return cls(attempt.asset.table.contract.description, tuple(tables), tuple(objects))


@dataclass(frozen=True)
class Publication:
    """One publish.

    Attributes:
        asset: The asset's name, such as ``music/users``.
        table: Its table.
        run_id: The Dagster run.
        job_name: The Dagster job.
        published_at: When its commit ended, in UTC.
        keys: The partitions that it replaced.
        snapshot_id: What it committed.
        origin: What was read.
        lineage: Output column to pairs of parameter name and input column.
        checks: Results of the audit, whose passing was the condition of the publish.
        rows: Rows of these partitions.
        bytes: Of their files.
        files: How many files they have.
        facts: What the engine tells.
    """

    asset: str
    table: LakeTable
    run_id: str
    job_name: str
    published_at: datetime
    keys: tuple[str, ...]
    snapshot_id: int
    origin: Origin
    lineage: Mapping[str, frozenset[tuple[str, str]]]
    checks: tuple[AuditResult, ...]
    rows: int
    bytes: int
    files: int
    facts: Mapping[str, Any] = field(default_factory=dict)


class Publications(Protocol):
    """Receives every publish after its commit."""

    def published(self, publication: Publication) -> None:
        """Take note of a publish; neither wait for anybody nor fail."""
        ...

    def close(self) -> None:
        """The process is about to end: deliver what can be delivered within seconds."""
        ...


class Unobserved:
    """Tells nobody."""

    def published(self, publication: Publication) -> None:
        """See :class:`Publications`."""

    def close(self) -> None:
        """See :class:`Publications`."""


UNOBSERVED: Final = Unobserved()
