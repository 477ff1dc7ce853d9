"""Tables that grow by appending, such as the profiles: their partitions have no records.

Whatever is appended fits into memory. Its files lie where those of engines lie, so that the same
rules say which of them are garbage and which are damaged.
"""

import io
from collections.abc import Collection, Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.iceberg.catalog import beside_others, one_line_errors
from pipeline_assets.iceberg.checksums import Checksum, seal
from pipeline_assets.iceberg.commit import data_files, replace_files
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.manifests import planned, rows_in
from spark_resources.job import fresh_token


def append(lake: Lake, table: LakeTable, rows: pa.Table) -> None:
    """Add rows of one partition.

    Raises:
        PipelineError: The catalog or a file cannot be written.
    """
    with one_line_errors(f"append to {table}"):
        _append(lake, table, _written(lake, table, [rows]))


def drop_files(lake: Lake, table: LakeTable, files: Collection[str]) -> None:
    """Drop files; their rows are lost.

    Raises:
        PipelineError: The catalog cannot be written.
    """
    with one_line_errors(f"drop files of {table}"):
        _drop_files(lake, table, files)


def compact(lake: Lake, table: LakeTable) -> None:
    """Rewrite a table of many small files as a few large ones, if it has more than it needs.

    No row is lost that another process appends meanwhile: the commit is refused and repeated.

    Raises:
        PipelineError: The table cannot be read or written.
    """
    with one_line_errors(f"compact {table}"):
        _compact(lake, table)


@beside_others
def _compact(lake: Lake, table: LakeTable) -> None:
    iceberg = lake.load_to_commit(table)
    if iceberg is None:
        return
    present = planned(iceberg.scan(), table)
    if len(present) <= len({str(file.partition) for file in present}):
        return
    files = _written(lake, table, _by_partition(table, rows_in(iceberg.scan(), table)))
    replace_files(iceberg, table, present, files, {})


def _by_partition(table: LakeTable, rows: pa.Table) -> Iterator[pa.Table]:
    if table.partition_column is None:
        yield rows
        return
    column = rows[table.partition_column]
    for value in column.unique():
        yield rows.filter(pc.equal(column, value))


@beside_others
def _append(lake: Lake, table: LakeTable, files: Sequence[str]) -> None:
    replace_files(lake.begin_commit(table), table, [], files, {})


@beside_others
def _drop_files(lake: Lake, table: LakeTable, files: Collection[str]) -> None:
    iceberg = lake.load_to_commit(table)
    if iceberg is None:
        return
    dropped = [it for it in data_files(iceberg, table, None) if it.file_path in files]
    replace_files(iceberg, table, dropped, (), {})


def _written(lake: Lake, table: LakeTable, parts: Iterable[pa.Table]) -> list[str]:
    """Write rows, one file for each part, to which nothing refers yet."""
    location = lake.writing_location(table)
    folder = f"{location}/data/{fresh_token()}"
    files = {f"{folder}/{number}.parquet": _parquet(part) for number, part in enumerate(parts)}
    for uri, data in files.items():
        lake.access.store.put(uri, data)
    sums = {uri: Checksum.of(data) for uri, data in files.items()}
    seal(lake.access.store, location, (), sums)
    return list(files)


def _parquet(rows: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(rows, buffer)
    return buffer.getvalue()
