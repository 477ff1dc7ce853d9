"""Learning jobs on the embedded engine: DuckDB prepares, a kernel learns, DuckDB writes.

A kernel's rows lack the partition column; a learning job makes one partition, so it is a constant.
"""

from collections.abc import Iterator
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from pipeline_assets.engines.duckdb_sql import identifier, literal
from pipeline_assets.engines.engine import Log
from pipeline_assets.engines.prepared import Prepared
from spark_resources.job import Job

LEARNT: Final = "learnt"
ROWS_AT_ONCE: Final = 10_000


def word2vec(connection: duckdb.DuckDBPyConnection, job: Job, log: Log) -> Prepared:
    """Vectors for the names of weighted lists; the query gives user_id, artist_name, weight."""
    from pipeline_assets.engines.word2vec import (  # noqa: PLC0415 - gensim takes long to import
        Word2VecParameters,
        train,
    )

    connection.execute(
        f"CREATE TABLE lists AS SELECT list({{n: artist_name, w: weight}} ORDER BY artist_name) "
        f"AS pairs FROM ({job.sql}) GROUP BY user_id ORDER BY user_id"
    )
    learnt = train(
        lambda: _lists(connection.cursor()),
        Word2VecParameters(**job.parameters),
        lambda done, of: log(f"epoch {done} of {of}"),
    )
    size = learnt.vectors.shape[1]
    offsets = np.arange(len(learnt.names) + 1, dtype=np.int32) * size
    table = pa.table(
        {
            "artist_name": pa.array(learnt.names, pa.string()),
            "embedding": pa.ListArray.from_arrays(offsets, learnt.vectors.ravel()),
        }
    )
    connection.register(LEARNT, table)
    return Prepared(_with_partition(job), {"names": len(learnt.names), **job.parameters})


def neighbours(connection: duckdb.DuckDBPyConnection, job: Job, _log: Log) -> Prepared:
    """The nearest names of every name; the query gives artist_name and embedding."""
    from pipeline_assets.engines.neighbours import SCHEMA, top_neighbours  # noqa: PLC0415 - as above

    table = connection.execute(f"{job.sql} ORDER BY artist_name").to_arrow_table()
    names = table["artist_name"].to_pylist()
    flat = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors = flat.reshape(len(names), -1) if names else np.zeros((0, 1), np.float32)
    batches = top_neighbours(names, vectors, int(job.parameters["k"]))
    connection.register(LEARNT, pa.RecordBatchReader.from_batches(SCHEMA, batches))
    return Prepared(_with_partition(job), {"names": len(names)})


def _lists(cursor: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[str, int]]]:
    cursor.execute("SELECT pairs FROM lists")
    while rows := cursor.fetchmany(ROWS_AT_ONCE):
        yield from ([(pair["n"], pair["w"]) for pair in pairs] for (pairs,) in rows)


def _with_partition(job: Job) -> str:
    """The learnt rows in the order of the job's schema, the partition column added."""
    target = job.destination
    constant = {target.partition_column: literal(target.partition_keys[0])}
    columns = ", ".join(
        f"{constant.get(name, identifier(name))} AS {identifier(name)}" for name in job.schema
    )
    return f"SELECT {columns} FROM {LEARNT}"
