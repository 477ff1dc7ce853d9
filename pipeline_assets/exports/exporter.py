"""Exports: partitions that leave the lake, by steps that publishing can take back.

An export asset is a function on tables like any other, but its rows go to a destination outside the
lake. Its lake table lists what went there, so that staleness, history and checks work as
everywhere. Staging writes the rows where nobody sees them, and the audit looks at the listing. If
it passes, publishing commits the destination and then the listing, in this order: a listing that is
ahead of its destination would look up to date. Where a process is killed between the two, the
destination is newer than the listing says; the versions in the listing are the old ones, so the
next update exports the partitions again.

A further destination is a value in :mod:`pipeline_assets.dataset.values.destinations`, a module
here with its exporter, and an entry in :mod:`pipeline_assets.exports.registry`.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import dagster as dg
import ibis.expr.types as ir

from pipeline_assets.dataset.values.damage import Damage
from pipeline_assets.dataset.values.destinations import Destination
from pipeline_assets.dataset.values.table import LakeTable
from spark_resources.job import Source

if TYPE_CHECKING:
    import pyarrow as pa

D_contra = TypeVar("D_contra", bound=Destination, contravariant=True)


@dataclass(frozen=True)
class Outgoing:
    """Rows on their way out of the lake.

    Attributes:
        table: The lake table that lists what was exported.
        rows: An expression for the rows of all partitions to be exported.
        inputs: What the rows are computed from, by table name.
        versions: Of each partition to be exported, by its key.
        fresh_uri: A prefix that nothing else writes to.
        config: The asset's run config, if it has any.
    """

    table: LakeTable
    rows: ir.Table
    inputs: Mapping[str, Source]
    versions: Mapping[str, str]
    fresh_uri: str
    config: dg.Config | None = None


class StagedExport(Protocol):
    """Partitions that are written, but that nobody at their destination can see."""

    @property
    def listing(self) -> "pa.RecordBatch":
        """Rows of the lake table that lists what was exported."""
        ...

    def commit(self) -> None:
        """Let readers at the destination see the partitions in place of the old ones.

        Raises:
            PipelineError: The destination cannot be reached or refuses.
        """
        ...

    def discard(self) -> None:
        """Take back what was not committed; changes nothing after a commit."""
        ...


class Exporter(Protocol[D_contra]):
    """Writes to one type of destination."""

    def stage(self, destination: D_contra, outgoing: Outgoing) -> StagedExport:
        """Write the partitions where nobody sees them.

        Raises:
            PipelineError: The rows cannot be computed, or the destination not be written.
        """
        ...

    def damages(
        self, destination: D_contra, listed: Mapping[str, Mapping[str, Any]], *, deep: bool
    ) -> Iterator[Damage]:
        """What is not at the destination as it was exported.

        Args:
            destination: Where it went.
            listed: What the lake's table lists as exported, by partition key.
            deep: Read everything.

        Raises:
            PipelineError: The destination cannot be read.
        """
        ...


@contextmanager
def discarded_on_failure(export: StagedExport | None) -> Iterator[None]:
    """Take back an export, if there is one, when what follows does not come to its end."""
    with ExitStack() as undo:
        if export:
            undo.callback(export.discard)
        yield
        undo.pop_all()


def listing_of(table: LakeTable, entries: Mapping[str, Mapping[str, Any]]) -> "pa.RecordBatch":
    """Rows of a table with one entry for each partition, by key."""
    import pyarrow as pa

    column = table.partition_column
    schema = pa.schema(table.contract.schema.to_pyarrow())
    texts = pa.schema([(f.name, pa.string() if f.name == column else f.type) for f in schema])
    rows: Iterable[dict[str, Any]] = (
        {**entry, **({column: key} if column else {})} for key, entry in entries.items()
    )
    return pa.RecordBatch.from_pylist(list(rows), schema=texts).cast(schema)
