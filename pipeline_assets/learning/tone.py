"""Sentiment jobs on the embedded engine: DuckDB reads, a linear text model learns or answers."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import duckdb
import pyarrow as pa

from pipeline_assets.dataset.values.progress import Log
from pipeline_assets.engines.embedded.prepared import Prepared
from pipeline_assets.errors import PipelineError
from spark_resources.cluster.sentiment_rules import NO_MODEL
from spark_resources.job import Job

ANSWERED: Final = "answered"
ROWS_AT_ONCE: Final = 10_000
_ANSWERS: Final = (("sentiment", pa.int32()), ("confidence", pa.float64()))


def sentiment_fit(connection: duckdb.DuckDBPyConnection, job: Job, log: Log) -> Prepared:
    """One row with a model; the query gives review_str, sentiment and insert_date."""
    from pipeline_assets.learning.sentiment import to_bytes  # noqa: PLC0415 - they import slowly
    from pipeline_assets.learning.sentiment_fit import train  # noqa: PLC0415

    # Ordered, so that the same reviews always give the same model.
    reviews = connection.execute(f"FROM ({job.sql}) ORDER BY ALL").to_arrow_table()
    log(f"learning from {len(reviews):,} reviews")
    texts, labels = reviews["review_str"].to_pylist(), reviews["sentiment"].to_pylist()
    origin = _origin(job, reviews)
    trained = train(texts, labels, seed=int(job.parameters["seed"]), origin=origin)
    measured = asdict(trained.report)
    model = to_bytes(trained.model)
    row = {
        "model": model,
        "origin": origin,
        "reviews": len(reviews),
        "report": json.dumps({name: measured[name] for name in ("classes", "confusion")}),
        **{name: measured[name] for name in ("accuracy", "macro_f1", "calibration_error")},
    }
    connection.register(ANSWERED, pa.Table.from_pylist([row]))
    facts = {"model_bytes": len(model), "model_sha256": hashlib.sha256(model).hexdigest()}
    return Prepared(f"SELECT {', '.join(job.schema)} FROM {ANSWERED}", {**facts, "origin": origin})


def sentiment_predict(connection: duckdb.DuckDBPyConnection, job: Job, _log: Log) -> Prepared:
    """Every row of the query with the sentiment of its review_str; texts stream.

    Raises:
        PipelineError: No model was ever published, or it is damaged.
    """
    from pipeline_assets.learning.sentiment import from_bytes  # noqa: PLC0415 - as above

    stored = connection.execute(job.parameters["model_sql"]).fetchone()
    if stored is None:
        raise PipelineError(NO_MODEL)
    reader = connection.cursor().execute(job.sql).to_arrow_reader(ROWS_AT_ONCE)
    schema = pa.schema([*reader.schema, *_ANSWERS])
    answers = pa.RecordBatchReader.from_batches(schema, _answers(from_bytes(stored[0]), reader))
    connection.register(ANSWERED, answers)
    known = {"positive_review": "sentiment = 2 AS positive_review"}
    columns = ", ".join(known.get(name, name) for name in job.schema)
    facts = {"model_sha256": hashlib.sha256(stored[0]).hexdigest()}
    return Prepared(f"SELECT {columns} FROM {ANSWERED}", facts)


def _answers(model: Any, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:  # noqa: ANN401
    from pipeline_assets.learning.sentiment import predict  # noqa: PLC0415 - as above

    for batch in reader:
        answers = map(pa.array, predict(model, batch["review_str"].to_pylist()))
        yield pa.record_batch([*batch.columns, *answers], pa.schema([*batch.schema, *_ANSWERS]))


def _origin(job: Job, reviews: pa.Table) -> str:
    """Which reviews a model learnt from, in words."""
    windows = sorted(str(window) for window in set(reviews["insert_date"].to_pylist()))
    snapshots = ", ".join(f"{name} {source.snapshot_id}" for name, source in job.inputs.items())
    span = f"{windows[0]} to {windows[-1]}" if windows else "none"
    return f"{len(reviews):,} reviews of {len(windows)} windows, {span}; snapshot {snapshots}"
