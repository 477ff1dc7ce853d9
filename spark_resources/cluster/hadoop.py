"""Reads and writes small files through Hadoop's file systems.

They reach whatever Spark reaches, S3 and local folders alike. A cluster has no other client of S3
for certain.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, cast

from pyspark.sql import SparkSession

_GLOB_CHARACTERS: Final = re.compile(r"([\\*?\[\]{}^])")
_FOOTERS_AT_ONCE: Final = 16


@dataclass(frozen=True)
class ParquetFile:
    """What the listing of a folder and the footer of a file say: no row is read."""

    uri: str
    bytes: int
    rows: int


def exact_path(uri: str) -> str:
    """Escape a path for Spark's readers, which expand globs."""
    # Spark can be told not to expand globs, but Spark 4.0 then reads every file twice.
    return _GLOB_CHARACTERS.sub(r"\\\1", uri)


def read_text(spark: SparkSession, uri: str) -> str:
    """The whole of a text file.

    Raises:
        FileNotFoundError: It is empty or missing.
    """
    row = spark.read.text(exact_path(uri), wholetext=True).first()
    if row is None:
        raise FileNotFoundError(uri)
    return cast("str", row[0])


def write_text(spark: SparkSession, uri: str, text: str) -> None:
    """Write a file under another name and rename it, so that readers never see a part of it.

    Raises:
        FileExistsError: There is such a file already.
    """
    path, draft = _path(spark, uri), _path(spark, uri + ".draft")
    files = _file_system(spark, path)
    stream = files.create(draft, True)
    stream.write(bytearray(text.encode()))
    stream.close()
    if not files.rename(draft, path):
        raise FileExistsError(uri)


def delete(spark: SparkSession, uri: str) -> None:
    """Remove a file or a whole folder, if there is one."""
    path = _path(spark, uri)
    _file_system(spark, path).delete(path, True)


def parquet_files(spark: SparkSession, uri: str) -> tuple[ParquetFile, ...]:
    """The Parquet files anywhere below a folder, by name, without those that readers ignore."""
    path = _path(spark, uri)
    root = qualified(spark, uri)
    listed = _listed(_file_system(spark, path).listFiles(path, True))
    visible = [it for it in listed if not _is_hidden(_uri(it).removeprefix(root))]
    with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
        found = pool.map(lambda status: _with_footer(spark, status), visible)
        return tuple(sorted(found, key=lambda file: file.uri))


def _listed(remote: Any) -> Iterator[Any]:  # noqa: ANN401 - Java objects
    while remote.hasNext():
        yield remote.next()


def _uri(status: Any) -> str:  # noqa: ANN401 - a Java object
    return str(status.getPath().toUri().toString())


def _is_hidden(relative: str) -> bool:
    return any(name.startswith(("_", ".")) for name in relative.split("/"))


def _with_footer(spark: SparkSession, status: Any) -> ParquetFile:  # noqa: ANN401 - a Java object
    hadoop = jvm(spark).org.apache.parquet.hadoop
    file = hadoop.util.HadoopInputFile.fromStatus(
        status, spark.sparkContext._jsc.hadoopConfiguration()
    )
    reader = hadoop.ParquetFileReader.open(file)
    try:
        return ParquetFile(_uri(status), int(status.getLen()), int(reader.getRecordCount()))
    finally:
        reader.close()


def qualified(spark: SparkSession, uri: str) -> str:
    """A URI as Spark names it in its own metadata: absolute, with a scheme, percent-encoded."""
    path = _path(spark, uri)
    return str(_file_system(spark, path).makeQualified(path).toUri().toString())


def _path(spark: SparkSession, uri: str) -> Any:  # noqa: ANN401 - a Java object
    return jvm(spark).org.apache.hadoop.fs.Path(uri)


def _file_system(spark: SparkSession, path: Any) -> Any:  # noqa: ANN401 - Java objects
    return path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())


def jvm(spark: SparkSession) -> Any:  # noqa: ANN401 - a namespace of Java packages
    """The Java side of a session."""
    return spark.sparkContext._jvm
