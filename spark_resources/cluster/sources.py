"""Registers a job's inputs as temporary views of a Spark session."""

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
    """Register a source as a view that SQL can name."""
    table(spark, name, source).createOrReplaceTempView(identifier(name))


def table(spark: SparkSession, name: str, source: Source) -> DataFrame:
    """Read a source as one table with the columns of its schema, in order."""
    parts = [
        _part(spark, f"{name}_{number}", source, dict(constants), files)
        for number, (constants, files) in enumerate(_by_constants(source.files))
    ]
    return reduce(DataFrame.unionByName, parts) if parts else _empty(spark, source)


def _empty(spark: SparkSession, source: Source) -> DataFrame:
    """A table without rows, which the optimizer knows to be empty.

    It then removes joins with the table. About a table that Python creates it knows nothing, and
    Spark would start a Python worker to read it.
    """
    nothing = (
        f"CAST(NULL AS {spark_type(type_)}) AS {identifier(name)}"
        for name, type_ in source.schema.items()
    )
    return spark.sql(f"SELECT {', '.join(nothing)} WHERE false")


def _by_constants(files: Iterable[SourceFile]) -> Iterator[tuple[Constants, list[SourceFile]]]:
    # Files with the same constants are one scan, in which each constant is a literal.
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
        physical = {name: type_ for name, type_ in source.schema.items() if name not in constants}
        physical |= {old: physical[name] for name, olds in source.former.items() for old in olds}
        rows = spark.read.schema(ddl(physical)).parquet(*(exact_path(file.uri) for file in files))
        if not constants and not source.former:
            return rows
    elif "line_number" in source.schema:
        rows = _numbered_lines(spark, name, files)
    else:
        rows = _text(spark, files).withColumnRenamed("value", "line")
    # As SQL text, because every part of a Column is a call to Java: a tenth of a second per job.
    return rows.selectExpr(*(_column(n, t, constants, source) for n, t in source.schema.items()))


def _column(name: str, type_: str, constants: Mapping[str, str], source: Source) -> str:
    # A file has a column under one of its names, and Spark reads nulls for the others.
    names = ", ".join(map(identifier, (name, *source.former.get(name, ()))))
    held = f"coalesce({names})" if name in source.former else identifier(name)
    value = literal(constants[name]) if name in constants else held
    return f"CAST({value} AS {spark_type(type_)}) AS {identifier(name)}"


def _text(spark: SparkSession, files: list[SourceFile]) -> DataFrame:
    return spark.read.text([exact_path(file.uri) for file in files], lineSep="\n")


def _numbered_lines(spark: SparkSession, name: str, files: list[SourceFile]) -> DataFrame:
    """Read lines with their numbers.

    Spark splits large files and packs small ones into one Spark partition. A line's number is its
    place in the Spark partition plus a shift, which depends on the file's piece that it is in. The
    shifts come from a scalar subquery, so that the optimizer drops them from queries that do not
    use ``line_number``, and nothing is counted for those.
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
    """SQL with a map, for each Spark partition, of a file's piece to (line number - row id)."""
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
    """Unify local URIs, which Hadoop writes as ``file:/x`` here and as ``file:///x`` there."""
    scheme, _, path = uri.partition(":")
    return f"file:/{path.lstrip('/')}" if scheme == "file" else uri
