"""A job's inputs as Spark's temporary views."""

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from itertools import groupby

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from spark_resources.cluster.hadoop import exact_path, qualified
from spark_resources.cluster.spark_types import ddl, identifier, literal, spark_type
from spark_resources.job import Source, SourceFile

Constants = tuple[tuple[str, str], ...]


def register(spark: SparkSession, name: str, source: Source) -> None:
    """Make a source visible to SQL under its name."""
    table(spark, name, source).createOrReplaceTempView(identifier(name))


def table(spark: SparkSession, name: str, source: Source) -> DataFrame:
    """A source as one table with the columns of its schema, in order."""
    parts = [
        _part(spark, f"{name}_{number}", source, dict(constants), files)
        for number, (constants, files) in enumerate(_by_constants(source.files))
    ]
    return reduce(DataFrame.unionByName, parts) if parts else _empty(spark, source)


def _empty(spark: SparkSession, source: Source) -> DataFrame:
    """No rows, and the optimizer sees that there are none: a join with them costs nothing.

    Of a table made in Python it cannot, and would start a Python worker to find out.
    """
    nothing = (
        f"CAST(NULL AS {spark_type(type_)}) AS {identifier(name)}"
        for name, type_ in source.schema.items()
    )
    return spark.sql(f"SELECT {', '.join(nothing)} WHERE false")


def _by_constants(files: Iterable[SourceFile]) -> Iterator[tuple[Constants, list[SourceFile]]]:
    """Files that share their constants are one scan, and a literal costs nothing per row."""
    for key, group in groupby(sorted(files, key=_constants), key=_constants):
        yield key, list(group)


def _constants(file: SourceFile) -> Constants:
    return tuple(sorted(file.constants.items()))


def _part(
    spark: SparkSession,
    name: str,
    source: Source,
    constants: Mapping[str, str],
    files: list[SourceFile],
) -> DataFrame:
    if source.format == "parquet":
        rows = _parquet(spark, source, constants, files)
        if not constants:
            return rows
    elif "line_number" in source.schema:
        rows = _numbered_lines(spark, name, files)
    else:
        rows = _text(spark, files).withColumnRenamed("value", "line")
    # As SQL: every part of a Column is a call to Java, and these come to a tenth of a second a job.
    return rows.selectExpr(*(_column(n, t, constants) for n, t in source.schema.items()))


def _column(name: str, type_: str, constants: Mapping[str, str]) -> str:
    value = literal(constants[name]) if name in constants else identifier(name)
    return f"CAST({value} AS {spark_type(type_)}) AS {identifier(name)}"


def _parquet(
    spark: SparkSession, source: Source, constants: Mapping[str, str], files: list[SourceFile]
) -> DataFrame:
    physical = {name: type_ for name, type_ in source.schema.items() if name not in constants}
    return spark.read.schema(ddl(physical)).parquet(*_paths(files))


def _text(spark: SparkSession, files: list[SourceFile]) -> DataFrame:
    return spark.read.text(_paths(files), lineSep="\n")


def _numbered_lines(spark: SparkSession, name: str, files: list[SourceFile]) -> DataFrame:
    """Lines and their numbers, counted only by queries that use them.

    Spark cuts large files and packs small ones, so a row's place in its file is its place in the
    Spark partition, moved by where the file's piece starts there. Those starts come from a scalar
    subquery: where no query asks for ``line_number`` the optimizer drops it and nothing is counted.
    """
    pieces, first_lines = f"{name} pieces", f"{name} first lines"
    _text(spark, files).select(
        sf.col("value").alias("line"),
        # Not the _metadata column: Spark fills that for every row, used or not.
        sf.input_file_name().alias("file"),
        sf.expr("input_file_block_start()").alias("block"),
        sf.spark_partition_id().alias("part"),
        sf.monotonically_increasing_id().alias("row"),
    ).createOrReplaceTempView(identifier(pieces))
    _first_lines(spark, files).createOrReplaceTempView(identifier(first_lines))
    return spark.sql(_numbered(identifier(pieces), identifier(first_lines)))


def _first_lines(spark: SparkSession, files: list[SourceFile]) -> DataFrame:
    values = ", ".join(
        f"({literal(_comparable(qualified(spark, file.uri)))}, {file.first_line}L)"
        for file in files
    )
    return spark.sql(f"SELECT * FROM VALUES {values} AS v(file, first_line)")  # noqa: S608


def _numbered(pieces: str, first_lines: str) -> str:
    """For each Spark partition a map from a file's piece to (line number - row id) of its rows."""
    return f"""
SELECT line, (
  SELECT map_from_entries(collect_list(struct(part, shifts))) FROM (
    SELECT part, map_from_entries(collect_list(struct(concat(block, ' ', file), shift))) AS shifts
    FROM (
      SELECT part, block, p.file, coalesce(first_line, raise_error(concat('unknown ', p.file)))
        + coalesce(sum(size) OVER (PARTITION BY p.file ORDER BY block
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) - first_row AS shift
      FROM (
        SELECT part, file, block, min(row) AS first_row, count(*) AS size
        FROM {pieces} GROUP BY part, file, block
      ) AS p LEFT JOIN {first_lines} AS f ON f.file = regexp_replace(p.file, '^file:/+', 'file:/')
    ) GROUP BY part
  )
)[part][concat(block, ' ', file)] + row AS line_number
FROM {pieces}"""  # noqa: S608 - our own identifiers


def _comparable(uri: str) -> str:
    """Hadoop writes local files as ``file:/x`` in one place and ``file:///x`` in another."""
    scheme, _, path = uri.partition(":")
    return f"file:/{path.lstrip('/')}" if scheme == "file" else uri


def _paths(files: list[SourceFile]) -> list[str]:
    return [exact_path(file.uri) for file in files]
