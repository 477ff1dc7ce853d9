"""What an asset function can ask for: a table, the lines of raw text, or landed objects.

The annotation of a parameter says how it is loaded; in a test any of them is a plain value.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, get_args

import dagster as dg
import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.partitioning import Mapped, Partitioning
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.objects import ObjectStore, StoredObject
from pipeline_assets.dataset.values.table import LakeTable
from spark_resources.job import Source

if TYPE_CHECKING:
    import pyarrow as pa

ReadAs: TypeAlias = Literal["table", "rows", "lines", "numbered_lines", "landed", "published"]
READ_AS: Final = "pipeline/read_as"
ALIGNED: Final = "pipeline/aligned"
OPTIONAL: Final = "pipeline/optional"
ABSENT: Final = "absent"
"""The version of an optional input's partition that was never published."""

RawLines: TypeAlias = Annotated[ir.Table, "lines"]
"""Text lines that a raw table lists: ``line``, ``source_uri``, ``member`` and the partition."""

NumberedLines: TypeAlias = Annotated[ir.Table, "numbered_lines"]
"""As :data:`RawLines`, with ``line_number`` from 1 within each vendor file; a little slower."""


Rows: TypeAlias = Annotated["pa.Table", "rows"]
"""All rows of a table of the lake, in memory: for an ingest that asks the outside world of them."""

Published: TypeAlias = Annotated[ir.Table, "published"]
"""What is published of the asset's own table; no rows before it is published for the first time.

For a table that only ever adds to what it has said before. It is no input: nothing becomes stale
because of it, so the same inputs must give the same rows when they are what is published already.
"""


@dataclass(frozen=True)
class Landed:
    """Landing objects of the partitions to be materialised.

    Attributes:
        objects: By partition key.
        store: Where they can be opened.
    """

    objects: Mapping[str, tuple[StoredObject, ...]]
    store: ObjectStore


@dataclass(frozen=True)
class LazyTable:
    """An input that nobody has read yet.

    Attributes:
        table: Unbound, named after the parameter: rows, or lines of the text they list.
        sources: What the table and :attr:`rows` are read from, by name: the files of exactly the
            snapshot that was current when the input was loaded.
        versions: Version of each partition in it.
        rows: The table as it is stored, which is what checks look at.
    """

    table: ir.Table
    sources: Mapping[str, Source]
    versions: Mapping[str, str]
    rows: ir.Table

    @property
    def snapshot_id(self) -> int | None:
        """The snapshot that it is read from; None of a table that has none yet."""
        return self.sources[self.rows.get_name()].snapshot_id


@dataclass(frozen=True)
class LandedInput:
    """Landing objects together with the version of each partition's set of objects."""

    landed: Landed
    versions: Mapping[str, str]


Input: TypeAlias = LazyTable | LandedInput


@dataclass(frozen=True)
class InputSpec:
    """One parameter of an asset function.

    Attributes:
        name: The parameter.
        key: The upstream asset.
        read_as: How it is read.
        partition_mapping: Where its partitions are not mapped one to one.
        windows: How it is partitioned, where its windows of time are not as long as the asset's.
        optional: A partition that it lacks is one without rows.
    """

    name: str
    key: dg.AssetKey
    read_as: ReadAs
    partition_mapping: dg.PartitionMapping | None = field(default=None)
    windows: Partitioning | None = None
    optional: bool = False

    @property
    def upstream(self) -> str:
        """The upstream asset as ``domain/name``."""
        return self.key.to_user_string()

    @property
    def is_table(self) -> bool:
        """Whether it is a table of the lake, and not what has landed."""
        return self.read_as != "landed"

    def around(self, partitioning: Partitioning | None, keys: set[str]) -> set[str]:
        """Keys of its partitions; of shorter windows, the keys of those that they lie in."""
        if partitioning is None or self.windows is None:
            return keys
        return partitioning.keys_around(self.windows, keys)

    def with_windows(self, before: Partitioning, after: Partitioning) -> "InputSpec":
        """The same input, with another partitioning of shorter windows if it has the one before."""
        return replace(self, windows=after) if self.windows is before else self

    @property
    def is_text(self) -> bool:
        """Whether it is the lines of the text that a raw table lists."""
        return self.read_as in ("lines", "numbered_lines")

    def asset_in(self) -> dg.AssetIn:
        """The same for Dagster."""
        return dg.AssetIn(
            key=self.key,
            metadata={
                READ_AS: self.read_as,
                ALIGNED: self.partition_mapping is None,
                OPTIONAL: self.optional,
            },
            partition_mapping=self.partition_mapping,
        )


def read_as(annotation: Any) -> ReadAs | None:  # noqa: ANN401 - annotations are arbitrary objects
    """How a parameter with this annotation is loaded; None if it is no input."""
    if annotation is Landed:
        return "landed"
    if annotation is ir.Table:
        return "table"
    if annotation in (RawLines, NumberedLines, Rows, Published):
        marker: ReadAs = get_args(annotation)[1]
        return marker
    return None


def table_parameters(function: Callable[..., Any]) -> dict[str, ReadAs]:
    """The parameters of a function that are inputs, in order."""
    kinds = {
        name: read_as(parameter.annotation)
        for name, parameter in inspect.signature(function).parameters.items()
    }
    return {name: kind for name, kind in kinds.items() if kind is not None}


def input_specs(
    readings: Mapping[str, ReadAs],
    keys: Mapping[str, dg.AssetKey],
    mappings: Mapping[str, Mapped],
    optional: Collection[str],
) -> tuple[InputSpec, ...]:
    """The inputs of a function among what it reads; arguments are those of ``lake_asset``."""
    return tuple(
        InputSpec(
            name=name,
            key=keys[name],
            read_as=how,
            partition_mapping=_mapping(mappings.get(name)),
            windows=_windows(mappings.get(name)),
            optional=name in optional,
        )
        for name, how in readings.items()
        if how != "published"
    )


def _mapping(mapped: Mapped | None) -> dg.PartitionMapping | None:
    return dg.TimeWindowPartitionMapping() if isinstance(mapped, Partitioning) else mapped


def _windows(mapped: Mapped | None) -> Partitioning | None:
    return mapped if isinstance(mapped, Partitioning) else None


def ingest_keys(
    readings: Mapping[str, ReadAs], domain: str, landing: LandingSource | None
) -> dict[str, dg.AssetKey]:
    """What the parameters of an ingest are read from: what has landed, or tables of its domain."""
    own = {name: dg.AssetKey([domain, name]) for name in readings}
    return own | {
        name: landing.key for name, how in readings.items() if how == "landed" and landing
    }


def own_spec(readings: Mapping[str, ReadAs], key: dg.AssetKey) -> InputSpec | None:
    """The parameter that gets what is published of the asset itself, if there is one."""
    names = [name for name, how in readings.items() if how == "published"]
    return InputSpec(names[0], key, "table") if names else None


def unbound(spec: InputSpec, upstream: LakeTable) -> ir.Table:
    """The table that an asset function sees, named after its parameter."""
    if not spec.is_text:
        return ibis.table(upstream.contract.schema, name=spec.name)
    constants = dict.fromkeys(line_constants(upstream), "string")
    numbered = {"line_number": "int64", "unterminated_line": "int64"}
    columns = {**constants, **(numbered if spec.read_as == "numbered_lines" else {})}
    return ibis.table({"line": "string", **columns}, name=spec.name)


def stored(spec: InputSpec, upstream: LakeTable) -> ir.Table:
    """The table that checks see: the same, unless the function reads the lines it lists."""
    suffix = "_rows" if spec.is_text else ""
    return ibis.table(upstream.contract.schema, name=spec.name + suffix)


def line_constants(raw: LakeTable) -> tuple[str, ...]:
    """Columns of a raw table that hold for every line of a part."""
    partition = (raw.partition_column,) if raw.partition_column else ()
    return ("source_uri", "member", *partition)
