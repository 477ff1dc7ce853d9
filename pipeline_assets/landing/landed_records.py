"""Landed delimited files as rows of a raw table, with progress and an account of each file."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from pipeline_assets.dataset.contract import Contract, TableContract
from pipeline_assets.dataset.values.objects import ObjectStore, StoredObject
from pipeline_assets.dataset.values.texts import printable
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.landing.delimited import Columns, Dialect, FileReport

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline_assets.landing.delimited_reader import Opener


def read_landed(
    objects: Sequence[StoredObject],
    store: ObjectStore,
    columns: Columns,
    dialect: Dialect,
    workspace: Workspace,
) -> "Iterator[pa.RecordBatch]":
    """The records of a table's landed files, as `read_delimited` yields them.

    Raises:
        PipelineError: A file cannot be read at all.
    """
    from pipeline_assets.landing.delimited_reader import read_delimited

    files = [(item.uri, _opener(item, store, workspace)) for item in objects]
    return read_delimited(
        files,
        columns,
        dialect,
        lambda report: workspace.log(account(report)),
        expansion=workspace.landing_expansion,
    )


def as_rows(
    batch: "pa.RecordBatch", contract: "type[Contract] | pa.Schema", **constants: str
) -> "pa.RecordBatch":
    """A batch with constant columns added and its columns in the contract's order and types."""
    import pyarrow as pa

    schema = contract if isinstance(contract, pa.Schema) else _schema(contract)
    for name, value in constants.items():
        batch = batch.append_column(name, pa.repeat(pa.scalar(value), len(batch)))
    return batch.select(schema.names).cast(schema)


def _schema(contract: type[Contract]) -> "pa.Schema":
    import pyarrow as pa

    return pa.schema(TableContract.of(contract).schema.to_pyarrow())


def account(report: FileReport) -> str:
    """One line on what a file held, so that nothing is left out silently."""
    problems = ", ".join(f"{count:,} {name}" for name, count in report.problems.items())
    remarks = {
        "with problems": problems,
        "empty lines before the header": f"{report.empty_lines:,}" if report.empty_lines else "",
        "columns left out": ", ".join(report.extra_columns),
        "optional columns absent": ", ".join(report.absent_columns),
    }
    told = [f"{what}: {which}" for what, which in remarks.items() if which]
    # Names of columns and files are a vendor's, and the daemon's log is read in terminals.
    return printable("; ".join([f"{report.source_uri}: {report.records:,} records", *told]))


def _opener(item: StoredObject, store: ObjectStore, workspace: Workspace) -> "Opener":
    def advance(amount: int) -> None:
        workspace.progress.advance(item.uri, amount, item.size)

    return lambda: cast(BinaryIO, _Watched(store.open(item.uri, item.etag), advance))


class _Watched:
    """A stream that tells how much of it was read."""

    def __init__(self, stream: BinaryIO, advance: Callable[[int], Any]) -> None:
        self._stream = stream
        self._advance = advance

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._advance(len(data))
        return data

    def close(self) -> None:
        self._stream.close()
