"""Writes a job's result as Parquet files, and lists them for the manifest.

An Iceberg commit adds the files as they are. So their columns have exactly the types of the job's
schema, every file belongs to one partition, and the partition column stands in the file as well.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as sf

from spark_resources.cluster.hadoop import exact_path, qualified
from spark_resources.cluster.spark_types import ddl, identifier, spark_type
from spark_resources.job import DataFile, Destination, Job

SUMMED_BYTES: Final = 512 << 20
"""A task holds a whole file in memory for its checksum, so larger files get none here."""


class UnexpectedPartitionError(ValueError):
    """A job wrote rows of a partition that its destination does not name."""


def write(frame: DataFrame, job: Job) -> None:
    """Write a result with the columns and types of the job's schema.

    The files of a partition go to the folder ``by_<column>=<key>``.
    """
    typed = frame.select(
        *(sf.col(identifier(n)).cast(spark_type(t)).alias(n) for n, t in job.schema.items())
    )
    to = job.destination
    if to.partition_column is None:
        typed.write.mode("append").parquet(to.uri)
        return
    # Spark refuses a folder with the name of a column of the file, hence the prefix.
    folder = f"by_{to.partition_column}"
    if to.is_one_partition:
        # Spark would sort every task's rows by partition before it separates them.
        typed.write.parquet(f"{to.uri}/{folder}={quote(to.partition_keys[0], safe='')}")
        return
    keyed = typed.withColumn(folder, sf.col(identifier(to.partition_column)))
    # After this shuffle a partition has a few files instead of one per task.
    balanced = keyed.hint("rebalance", sf.col(identifier(folder)))
    balanced.write.partitionBy(folder).mode("append").parquet(to.uri)


def written(spark: SparkSession, job: Job) -> DataFrame:
    """Read what :func:`write` wrote, with the job's schema."""
    reader = spark.read.schema(ddl(job.schema)).option("recursiveFileLookup", "true")
    return reader.parquet(exact_path(job.destination.uri))


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
    counted = written(spark, job).groupBy(sf.col("_metadata.file_path").alias("path"))
    rows = counted.agg(
        sf.count(sf.lit(1)).alias("rows"),
        sf.max("_metadata.file_size").alias("bytes"),
        sf.first(_partition(to)).alias("partition"),
        _strays(to).alias("strays"),
    ).collect()
    root = _plain(qualified(spark, to.uri))
    sums = _checksums(spark, to)
    by_path = sorted(rows, key=lambda row: row["path"])
    return tuple(_data_file(to, root, row, sums.get(row["path"])) for row in by_path)


def _checksums(spark: SparkSession, to: Destination) -> Mapping[str, str]:
    """The CRC-32 of files by path, computed where the tasks run.

    The process that publishes them would read one after the other over its own line.
    """
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    files = reader.load(exact_path(to.uri)).where(sf.col("length") <= SUMMED_BYTES)
    summed = sf.crc32("content").alias("crc32")
    found = files.select(sf.col("_metadata.file_path").alias("path"), summed).collect()
    return {row["path"]: f"{row['crc32']:08x}" for row in found}


def _data_file(to: Destination, root: str, row: Row, crc32: str | None) -> DataFile:
    foreign = to.partition_column and row["partition"] not in to.partition_keys
    if foreign or row["strays"]:
        raise UnexpectedPartitionError(
            f"column {to.partition_column} must be one of {', '.join(to.partition_keys)}; "
            f"{row['strays'] or row['rows']} rows have another value, such as {row['partition']}"
        )
    uri = to.uri.rstrip("/") + _plain(row["path"]).removeprefix(root)
    return DataFile(uri, row["rows"], row["bytes"], row["partition"], crc32)


def _partition(to: Destination) -> Column:
    value = sf.col(identifier(to.partition_column)) if to.partition_column else sf.lit(None)
    return value.cast("string")


def _strays(to: Destination) -> Column:
    """The number of rows in a file whose partition is not the file's."""
    # Where there are several partitions, Spark itself has separated them by their values.
    if to.partition_column is None or not to.is_one_partition:
        return sf.lit(0)
    return sf.count_if(~_partition(to).eqNullSafe(sf.lit(to.partition_keys[0])))


def _plain(uri: str) -> str:
    """A URI of Spark's metadata, without its percent-encoding and its empty authority."""
    return unquote(uri).replace("file:///", "file:/", 1).rstrip("/")
