"""Writes a job's result as Parquet files, and lists them for the manifest.

An Iceberg commit adds the files as they are. So their columns have exactly the types of the job's
schema, every file belongs to one partition, and the partition column stands in the file as well.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from spark_resources.cluster.hadoop import ParquetFile, exact_path, parquet_files, qualified
from spark_resources.cluster.observed import Observed, named, numbered, observe
from spark_resources.cluster.spark_types import ddl, identifier, literal, spark_type
from spark_resources.job import DataFile, Destination, Job

SUMMED_BYTES: Final = 512 << 20
"""A task holds a whole file in memory for its checksum, so larger files get none here."""
_ROWS: Final = "rows of the files"
_STRAYS: Final = "strays"
_STRAY: Final = "partition of a stray"


class UnexpectedPartitionError(ValueError):
    """A job wrote rows of a partition that its destination does not name."""


class UnlistedFilesError(RuntimeError):
    """The files that were listed are not all that Spark reads."""


def write(frame: DataFrame, job: Job) -> Observed:
    """Write a result with the columns and types of the job's schema.

    The files of a partition go to the folder ``by_<column>=<key>``.

    Returns:
        The audit's aggregates and the strays, taken from the rows on their way.
    """
    typed = frame.select(
        *(sf.col(identifier(n)).cast(spark_type(t)).alias(n) for n, t in job.schema.items())
    )
    to = job.destination
    if to.partition_column is not None and not to.is_one_partition:
        keyed = typed.withColumn(_folder(to), sf.col(identifier(to.partition_column)))
        # After this shuffle a partition has a few files instead of one per task.
        balanced = keyed.hint("rebalance", sf.col(identifier(_folder(to))))
        rows, observed = observe(balanced, _aggregates(job))
        rows.write.partitionBy(_folder(to)).mode("append").parquet(to.uri)
        return observed
    rows, observed = observe(typed, _aggregates(job))
    if to.partition_column is None:
        rows.write.mode("append").parquet(to.uri)
    else:
        # Spark would sort every task's rows by partition before it separates them.
        rows.write.parquet(f"{to.uri}/{_folder(to)}={quote(to.partition_keys[0], safe='')}")
    return observed


def _folder(to: Destination) -> str:
    # Spark refuses a folder with the name of a column of the file, hence the prefix.
    return f"by_{to.partition_column}"


def _aggregates(job: Job) -> dict[str, str]:
    """What is asked of all rows: the audit's aggregates, how many there are, and the strays."""
    return {**job.audit.aggregates, _ROWS: "COUNT(*)", **_strays(job.destination)}


def _strays(to: Destination) -> dict[str, str]:
    """The rows whose partition is not that of their file, and such a partition."""
    # Where there are several partitions, Spark itself has separated them by their values.
    if to.partition_column is None or not to.is_one_partition:
        return {}
    value = f"CAST({identifier(to.partition_column)} AS STRING)"
    is_stray = f"NOT {value} <=> {literal(to.partition_keys[0])}"
    return {_STRAYS: f"COUNT_IF({is_stray})", _STRAY: f"MAX(IF({is_stray}, {value}, NULL))"}


def aggregates(
    spark: SparkSession, job: Job, files: Iterable[DataFile], observed: Observed
) -> dict[str, Any]:
    """The values of the audit's aggregates.

    Args:
        spark: The session.
        job: The job.
        files: What was written.
        observed: What was seen of it while it was written.

    Raises:
        UnexpectedPartitionError: There are rows of a partition that the job does not name.
        UnlistedFilesError: The files hold other rows than their footers say.
    """
    to, rows = job.destination, sum(file.rows for file in files)
    values = dict(observed.values() or {})
    if values.get(_ROWS) != rows:
        asked = written(spark, job).selectExpr(*numbered(observed.expressions)).collect()
        values = named(asked[0].asDict(recursive=True), observed.expressions)
    if values[_ROWS] != rows:
        raise UnlistedFilesError(f"the files have {values[_ROWS]} rows, their footers {rows}")
    if values.get(_STRAYS):
        raise _unexpected(to, values[_STRAYS], values[_STRAY])
    return {name: values[name] for name in job.audit.aggregates}


def written(spark: SparkSession, job: Job) -> DataFrame:
    """Read what :func:`write` wrote, with the job's schema."""
    reader = spark.read.schema(ddl(job.schema)).option("recursiveFileLookup", "true")
    return reader.parquet(exact_path(job.destination.uri))


def verified(spark: SparkSession, job: Job) -> DataFrame:
    """Read what :func:`write` wrote and what has no strays.

    The column of a single partition is a constant that is not read, and that groups and joins do
    not have to look at.
    """
    to = job.destination
    rows = written(spark, job)
    if to.partition_column is None or not to.is_one_partition:
        return rows
    column = to.partition_column
    constant = sf.lit(to.partition_keys[0]).cast(spark_type(job.schema[column]))
    return rows.withColumn(column, constant)


def materialised(frame: DataFrame, uri: str) -> DataFrame:
    """Write rows to files and read them back, so that later queries do not carry their plan.

    Otherwise each task of each later query would receive and unpack the whole plan.
    """
    frame.write.parquet(uri)
    return frame.sparkSession.read.schema(frame.schema).parquet(exact_path(uri))


def data_files(spark: SparkSession, job: Job) -> tuple[DataFile, ...]:
    """List the files that hold rows.

    Raises:
        UnexpectedPartitionError: A file holds rows of a partition that the job does not name.
    """
    to = job.destination
    root = _plain(qualified(spark, to.uri))
    sums = _checksums(spark, to)
    return tuple(
        _data_file(to, _plain(file.uri).removeprefix(root), file, sums.get(_plain(file.uri)))
        for file in parquet_files(spark, to.uri)
        if file.rows
    )


def _checksums(spark: SparkSession, to: Destination) -> Mapping[str, str]:
    """The CRC-32 of files by path, computed where the tasks run.

    The process that publishes them would read one after the other over its own line.
    """
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    files = reader.load(exact_path(to.uri)).where(sf.col("length") <= SUMMED_BYTES)
    summed = sf.crc32("content").alias("crc32")
    found = files.select(sf.col("_metadata.file_path").alias("path"), summed).collect()
    return {_plain(row["path"]): f"{row['crc32']:08x}" for row in found}


def _data_file(to: Destination, place: str, file: ParquetFile, crc32: str | None) -> DataFile:
    partition = _partition(to, place)
    if to.partition_column and partition not in to.partition_keys:
        raise _unexpected(to, file.rows, partition)
    return DataFile(f"{to.uri.rstrip('/')}{place}", file.rows, file.bytes, partition, crc32)


def _partition(to: Destination, place: str) -> str | None:
    """The partition of a file, of which its folder has the name."""
    start = f"{_folder(to)}="
    names = (name.removeprefix(start) for name in place.split("/") if name.startswith(start))
    return next(map(unquote, names), None)


def _unexpected(to: Destination, rows: int, partition: str | None) -> UnexpectedPartitionError:
    return UnexpectedPartitionError(
        f"column {to.partition_column} must be one of {', '.join(to.partition_keys)}; "
        f"{rows} rows have another value, such as {partition}"
    )


def _plain(uri: str) -> str:
    """A URI of Spark's metadata, without its percent-encoding and its empty authority."""
    return unquote(uri).replace("file:///", "file:/", 1).rstrip("/")
