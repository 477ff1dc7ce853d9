"""Learning jobs on the embedded engine: DuckDB prepares, a kernel learns, DuckDB writes.

A kernel's rows lack the partition column; a learning job makes one partition, so it is a constant.
"""

from collections.abc import Iterator
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from pipeline_assets.dataset.progress import Log
from pipeline_assets.engines.embedded.duckdb_sql import identifier, literal
from pipeline_assets.engines.embedded.prepared import Prepared
from spark_resources.job import Job

LEARNT: Final = "learnt"
ROWS_AT_ONCE: Final = 100_000


def word2vec(connection: duckdb.DuckDBPyConnection, job: Job, log: Log) -> Prepared:
    """Vectors for the names of weighted lists; the query gives user_id, artist_name, weight."""
    from pipeline_assets.learning.word2vec import (  # noqa: PLC0415 - gensim takes long to import
        Word2VecParameters,
        train,
        weighted_lists,
    )

    _sort_lists(connection, job.sql)
    learnt = train(
        lambda: weighted_lists(_sorted_lists(connection)),
        Word2VecParameters(**job.parameters),
        lambda done, of: log(f"epoch {done} of {of}"),
    )
    connection.register(LEARNT, pa.Table.from_batches([learnt.record_batch()]))
    return Prepared(_with_partition(job), {"names": len(learnt.names), **job.parameters})


def neighbours(connection: duckdb.DuckDBPyConnection, job: Job, _log: Log) -> Prepared:
    """The nearest names of every name; the query gives artist_name and embedding."""
    from pipeline_assets.learning.neighbours import SCHEMA, top_neighbours  # noqa: PLC0415 - as above

    table = connection.execute(f"{job.sql} ORDER BY artist_name").to_arrow_table()
    names = table["artist_name"].to_pylist()
    flat = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors = flat.reshape(len(names), -1) if names else np.zeros((0, 1), np.float32)
    batches = top_neighbours(names, vectors, int(job.parameters["k"]))
    connection.register(LEARNT, pa.RecordBatchReader.from_batches(SCHEMA, batches))
    return Prepared(_with_partition(job), {"names": len(names)})


def _sort_lists(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Sort once for all epochs; the order decides the vectors, so many threads must keep it."""
    connection.execute("SET preserve_insertion_order = true")
    connection.execute(f"CREATE TABLE lists AS FROM ({sql}) ORDER BY user_id, artist_name")


def _sorted_lists(connection: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    cursor = connection.cursor()
    yield from cursor.execute("FROM lists").to_arrow_reader(ROWS_AT_ONCE)


def _with_partition(job: Job) -> str:
    """The learnt rows in the order of the job's schema, the partition column added."""
    target = job.destination
    constant = {target.partition_column: literal(target.partition_keys[0])}
    columns = ", ".join(
        f"{constant.get(name, identifier(name))} AS {identifier(name)}" for name in job.schema
    )
    return f"SELECT {columns} FROM {LEARNT}"
