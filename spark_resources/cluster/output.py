"""What a job writes: Parquet files that an Iceberg commit takes as they are."""

from urllib.parse import quote, unquote

from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as sf

from spark_resources.cluster.hadoop import exact_path, qualified
from spark_resources.cluster.spark_types import ddl, identifier, spark_type
from spark_resources.job import DataFile, Destination, Job


class UnexpectedPartitionError(ValueError):
    """A job wrote rows that belong to none of the partitions it was asked for."""


def write(frame: DataFrame, job: Job) -> None:
    """Write a result with exactly the columns and types of the job's schema.

    Files of one partition go to ``by_<column>=<key>/`` and carry the column themselves, too.
    """
    typed = frame.select(*(_typed(name, type_) for name, type_ in job.schema.items()))
    to = job.destination
    if to.partition_column is None:
        typed.write.mode("append").parquet(to.uri)
    elif to.is_one_partition:
        # Nothing to separate: spare every task the sort by partition.
        typed.write.parquet(
            f"{to.uri}/by_{to.partition_column}={quote(to.partition_keys[0], safe='')}"
        )
    else:
        _write_partitions(typed, to.uri, to.partition_column)


def written(spark: SparkSession, job: Job) -> DataFrame:
    """What :func:`write` wrote, read back with the job's schema."""
    reader = spark.read.schema(ddl(job.schema)).option("recursiveFileLookup", "true")
    return reader.parquet(exact_path(job.destination.uri))


def materialised(frame: DataFrame, uri: str) -> DataFrame:
    """The same rows read back from files, so that what follows carries none of their plan.

    Every task of every later job would else bring the whole plan along, and unpack it again. The
    schema stays in Java, because Python's imports NumPy for a column of vectors.
    """
    frame.write.parquet(uri)
    session = frame.sparkSession
    reader = session._jsparkSession.read().schema(frame._jdf.schema())
    return DataFrame(reader.parquet(exact_path(uri)), session)


def data_files(spark: SparkSession, job: Job) -> tuple[DataFile, ...]:
    """The files that hold rows.

    Raises:
        UnexpectedPartitionError: A file holds rows of a partition that is not the job's.
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
    return tuple(_data_file(to, root, row) for row in sorted(rows, key=lambda row: row["path"]))


def _data_file(to: Destination, root: str, row: Row) -> DataFile:
    foreign = to.partition_column and row["partition"] not in to.partition_keys
    if foreign or row["strays"]:
        raise UnexpectedPartitionError(
            f"column {to.partition_column} must be one of {', '.join(to.partition_keys)}; "
            f"{row['strays'] or row['rows']} rows have another value, such as {row['partition']}"
        )
    uri = to.uri.rstrip("/") + _plain(row["path"]).removeprefix(root)
    return DataFile(uri=uri, rows=row["rows"], bytes=row["bytes"], partition=row["partition"])


def _partition(to: Destination) -> Column:
    value = sf.col(identifier(to.partition_column)) if to.partition_column else sf.lit(None)
    return value.cast("string")


def _strays(to: Destination) -> Column:
    """How many rows of a file lie in the wrong one; many keys were separated by Spark itself."""
    if to.partition_column is None or not to.is_one_partition:
        return sf.lit(0)
    return sf.count_if(~_partition(to).eqNullSafe(sf.lit(to.partition_keys[0])))


def _write_partitions(frame: DataFrame, uri: str, column: str) -> None:
    """One shuffle, so that each partition becomes few files instead of one per task."""
    directory = f"by_{column}"
    keyed = frame.withColumn(directory, sf.col(identifier(column)))
    balanced = keyed.hint("rebalance", sf.col(identifier(directory)))
    balanced.write.partitionBy(directory).mode("append").parquet(uri)


def _typed(name: str, type_: str) -> Column:
    return sf.col(identifier(name)).cast(spark_type(type_)).alias(name)


def _plain(uri: str) -> str:
    """A URI of Spark's metadata without percent-encoding and without empty authority."""
    return unquote(uri).replace("file:///", "file:/", 1).rstrip("/")
