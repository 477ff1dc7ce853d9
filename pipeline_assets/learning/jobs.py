"""Learning jobs on the embedded engine: DuckDB prepares the input, a kernel learns, DuckDB writes.

A kernel's rows lack the partition column. A learning job materialises one partition, so the column
is a constant.
"""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final

import duckdb

from pipeline_assets.dataset.values.progress import Log
from pipeline_assets.engines.embedded.prepared import Prepared
from pipeline_assets.engines.standard_sql import identifier, literal
from spark_resources.job import Job

LEARNT: Final = "learnt"
ROWS_AT_ONCE: Final = 100_000


def word2vec(connection: duckdb.DuckDBPyConnection, job: Job, log: Log) -> Prepared:
    """Learn vectors for names; the job's query selects list, name and weight."""
    import pyarrow as pa

    from pipeline_assets.learning.word2vec import (
        Word2VecParameters,
        train,
    )

    # Sorted once for all epochs. The order decides the vectors, so many threads must keep it.
    connection.execute("SET preserve_insertion_order = true")
    connection.execute(f"CREATE TABLE lists AS FROM ({job.sql}) ORDER BY 1, 2")
    learnt = train(
        lambda: _lists(connection),
        Word2VecParameters(**job.parameters),
        lambda done, of: log(f"epoch {done} of {of}"),
    )
    size = learnt.vectors.shape[1]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(learnt.vectors.reshape(-1)), size)
    columns = {
        "name": pa.array(learnt.names, pa.string()),
        "vector": vectors.cast(pa.list_(pa.float32())),
    }
    connection.register(LEARNT, pa.table(columns))
    return Prepared(_with_partition(job), {"names": len(learnt.names), **job.parameters})


def neighbours(connection: duckdb.DuckDBPyConnection, job: Job, _log: Log) -> Prepared:
    """Find the nearest names of every name; the job's query selects name and vector."""
    import numpy as np
    import pyarrow as pa

    from pipeline_assets.learning.neighbours import SCHEMA, top_neighbours

    table = connection.execute(f"FROM ({job.sql}) ORDER BY 1").to_arrow_table()
    names = table.column(0).to_pylist()
    flat = table.column(1).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors = flat.reshape(len(names), -1) if names else np.zeros((0, 1), np.float32)
    batches = top_neighbours(names, vectors, int(job.parameters["k"]))
    connection.register(LEARNT, pa.RecordBatchReader.from_batches(SCHEMA, batches))
    return Prepared(_with_partition(job), {"names": len(names)})


def linear_text(connection: duckdb.DuckDBPyConnection, job: Job, log: Log) -> Prepared:
    """Weights of terms; the query gives the columns that the parameters name."""
    from pipeline_assets.learning.linear_text import fit
    from pipeline_assets.learning.term_counts import LinearTextParameters

    parameters = LinearTextParameters(**job.parameters)
    documents = connection.execute(_shuffled(job)).to_arrow_table()
    log(f"learning from {len(documents):,} documents")
    learnt = fit(documents, parameters)
    connection.register(LEARNT, learnt.table(parameters.label))
    return Prepared(_with_partition(job), {"documents": len(documents), "terms": len(learnt.terms)})


def _shuffled(job: Job) -> str:
    """Documents in an order that only the seed and their texts decide; copies are neighbours."""
    document, label = map(identifier, (job.parameters["document"], job.parameters["label"]))
    seed, most = int(job.parameters["seed"]), int(job.parameters["most_documents"])
    order = f"md5(concat({seed}, ' ', {document})), {document}, {label}"
    return f"FROM ({job.sql}) ORDER BY {order} LIMIT {most}"


def _lists(connection: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[str, int]]]:
    reader = connection.cursor().execute("FROM lists").to_arrow_reader(ROWS_AT_ONCE)
    rows = (
        row
        for batch in reader
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    )
    for _, group in groupby(rows, key=itemgetter(0)):
        yield [(name, weight) for _, name, weight in group]


def _with_partition(job: Job) -> str:
    """A query of the learnt rows under the job's column names, with the partition column."""
    target = job.destination
    learnt = [identifier(name) for name in job.schema if name != target.partition_column]
    key = literal(target.partition_keys[0]) if target.partition_keys else ""
    constant = {target.partition_column: key}
    columns = ", ".join(
        f"{constant.get(name, identifier(name))} AS {identifier(name)}" for name in job.schema
    )
    return f"SELECT {columns} FROM {LEARNT} AS learnt({', '.join(learnt)})"
