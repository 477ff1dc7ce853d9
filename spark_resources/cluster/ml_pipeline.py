"""Spark ML pipelines through Java's own interface, and as bytes without any pickle.

The Python interface of Spark ML imports NumPy, which a cluster may not have.

A stored pipeline is a zip archive of what Spark ML itself saves, JSON and Parquet, beside
``header.json``.
"""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession

from spark_resources.cluster.hadoop import exact_path, jvm, write_bytes
from spark_resources.cluster.sentiment_rules import HEADER

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def fitted(frame: DataFrame, stages: Sequence[Any]) -> Any:  # noqa: ANN401 - a Java object
    """A pipeline of some stages, fitted to a table; of stages with nothing to fit, too."""
    ml = _ml(frame.sparkSession)
    pipeline = ml.Pipeline().setStages(_array(frame.sparkSession, ml.PipelineStage, stages))
    return pipeline.fit(frame._jdf)


def joined(spark: SparkSession, models: Iterable[Any]) -> Any:  # noqa: ANN401 - a Java object
    """Fitted pipelines one after the other as a single one."""
    ml = _ml(spark)
    stages = [stage for model in models for stage in model.stages()]
    return ml.PipelineModel(f"pipeline_{uuid4().hex}", _array(spark, ml.Transformer, stages))


def applied(model: Any, frame: DataFrame) -> DataFrame:  # noqa: ANN401 - a Java object
    """The table with the columns that a fitted pipeline adds."""
    return DataFrame(model.transform(frame._jdf), frame.sparkSession)


def with_array(frame: DataFrame, vector: str, into: str) -> DataFrame:
    """The table with a column of vectors as arrays of doubles, too."""
    functions = _ml(frame.sparkSession).functions
    array = functions.vector_to_array(frame._jdf.col(vector), "float64")
    return DataFrame(frame._jdf.withColumn(into, array), frame.sparkSession)


def strings(spark: SparkSession, values: Sequence[str]) -> Any:  # noqa: ANN401 - a Java array
    """Texts as Java's array of strings."""
    return _array(spark, jvm(spark).java.lang.String, values)


def pack(spark: SparkSession, model: Any, header: Mapping[str, Any], work: str) -> bytes:  # noqa: ANN401
    """A fitted pipeline as bytes.

    Args:
        spark: The session.
        model: The pipeline.
        header: Plain JSON values.
        work: A folder for files that lie in between.
    """
    model.write().save(work)
    found = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    rows = found.load(exact_path(work)).select("path", "content").collect()
    files = {_below(row["path"], work): bytes(row["content"]) for row in rows}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(HEADER, _EPOCH), json.dumps(dict(header), indent=1))
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def header_of(blob: bytes) -> Mapping[str, Any]:
    """The header of a stored model, of another engine's, too.

    Raises:
        ValueError: The bytes are damaged or something else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            header: Mapping[str, Any] = json.loads(archive.read(HEADER))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(f"the stored model is damaged: {error}") from error
    return header


def unpack(spark: SparkSession, blob: bytes, work: str) -> Any:  # noqa: ANN401 - a Java object
    """The pipeline that :func:`pack` stored; its files are laid out below a folder."""
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        for name in archive.namelist():
            if name != HEADER:
                write_bytes(spark, f"{work}/{name}", archive.read(name))
    return _ml(spark).PipelineModel.load(work)


def _below(path: str, folder: str) -> str:
    """What follows a folder in the path of a file in it, however both are written."""
    name = folder.rstrip("/").rpartition("/")[2]
    return path.rpartition(f"/{name}/")[2]


def _ml(spark: SparkSession) -> Any:  # noqa: ANN401 - a package
    return jvm(spark).org.apache.spark.ml


def _array(spark: SparkSession, type_: Any, items: Sequence[Any]) -> Any:  # noqa: ANN401 - Java's
    gateway: Any = spark.sparkContext._gateway
    array = gateway.new_array(type_, len(items))
    for place, item in enumerate(items):
        array[place] = item
    return array
