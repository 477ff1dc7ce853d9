"""A table of the lake, and what is known of each of its published partitions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    # Contracts need Ibis; who only reads tables needs neither.
    from pipeline_assets.dataset.contract import TableContract

WHOLE_TABLE: Final = ""


@dataclass(frozen=True)
class LakeTable:
    """A table of the lake.

    Attributes:
        namespace: Its domain.
        name: Its name within the domain.
        contract: What its rows promise.
        partition_column: The column that names the partition, if it has partitions.
    """

    namespace: str
    name: str
    contract: "TableContract"
    partition_column: str | None = None

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}"


@dataclass(frozen=True)
class TableName:
    """A table of the lake that is only read, so that nobody need know what it promises."""

    namespace: str
    name: str
    partition_column: str | None = None

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}"


Readable: TypeAlias = LakeTable | TableName


@dataclass(frozen=True)
class PartitionRecord:
    """What a published partition was materialised from.

    Attributes:
        version: Changes whenever the partition's content may have changed.
        inputs: Version of each input it was computed from.
        code_version: Version of the asset's function.
        run_id: The Dagster run that published it.
        rows: Its rows.
        bytes: Its bytes.
        published_at: When, ISO 8601 in UTC.
        config: The config it was materialised with, as JSON values; None if its asset has none, or
            if version 0.1 published it.
        override: What a run has asked for although the deployment declares something else.
        audit: Version of the checks that it has passed; empty if version 0.1 published it.
        objects: URIs of the landing objects that it came from; empty where there are none, or if
            version 0.1 published it.
    """

    version: str
    inputs: Mapping[str, str]
    code_version: str
    run_id: str
    rows: int
    bytes: int
    published_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    config: Mapping[str, Any] | None = None
    override: Mapping[str, Any] = field(default_factory=dict)
    audit: str = ""
    objects: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableState:
    """Some partitions of a table, as one snapshot holds them.

    Attributes:
        snapshot_id: The snapshot; None where nothing was ever published.
        files: URIs of its Parquet files.
        records: Record by partition key; a partition that was never published has none.
        columns: Iceberg's type of each column; empty where there is no table yet.
        former: Other names under which files hold a column.
    """

    snapshot_id: int | None
    files: tuple[str, ...]
    records: Mapping[str, PartitionRecord]
    columns: Mapping[str, str] = field(default_factory=dict)
    former: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
