"""Step bodies that really run Spark, on a machine without a client of S3 in its JVM.

Hadoop's overloaded view file system shows Spark the folder ``<root>/<bucket>`` as ``s3://<bucket>``.
Objects are copied from the S3 double into that folder before a step and back after it.
"""

import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_assets_tests.doubles.emr import BUCKET, Body, Execution
from pipeline_assets_tests.spark_resources.conftest import COLD_START
from spark_resources.cluster import entry_point
from spark_resources.cluster.hadoop import jvm
from spark_resources.errors import reason_of
from spark_resources.runners.jvm import environment

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_VIEW = "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"


def s3_as_folder(root: Path, buckets: tuple[str, ...] = (BUCKET,)) -> Mapping[str, str]:
    """Hadoop properties under which ``s3://bucket`` is a folder."""
    links = {
        f"fs.viewfs.mounttable.{bucket}.linkFallback": f"file://{root / bucket}"
        for bucket in buckets
    }
    target = "fs.viewfs.overload.scheme.target.s3.impl"
    local = "org.apache.hadoop.fs.RawLocalFileSystem"
    return {"fs.s3.impl": _VIEW, target: local, **links}


@dataclass
class SyncedFolder:
    """A bucket of the S3 double, copied to and from a folder."""

    s3: Any
    root: Path
    seen: dict[str, str] = field(default_factory=dict)

    def pull(self, bucket: str = BUCKET) -> None:
        """Copy what is new or changed on S3."""
        (self.root / bucket).mkdir(parents=True, exist_ok=True)
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for found in (found for page in pages for found in page.get("Contents", [])):
            if self.seen.get(found["Key"]) != found["ETag"]:
                path = self.root / bucket / found["Key"]
                path.parent.mkdir(parents=True, exist_ok=True)
                self.s3.download_file(bucket, found["Key"], str(path))
                self.seen[found["Key"]] = found["ETag"]

    def push(self, bucket: str = BUCKET) -> None:
        """Copy what is new in the folder; the manifest last, as Spark wrote it."""
        folder = self.root / bucket
        files = [path for path in folder.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: path.stat().st_mtime_ns):
            key = str(path.relative_to(folder))
            if key not in self.seen:
                self.s3.upload_file(str(path), bucket, key)
                self.seen[key] = self.s3.head_object(Bucket=bucket, Key=key)["ETag"]


def in_process(session: Callable[[], "SparkSession"], root: Path) -> Body:
    """Run the entry point in this process's session: seconds less than a JVM per step."""
    folders: dict[int, SyncedFolder] = {}

    def body(execution: Execution) -> int:
        folder = folders.setdefault(id(execution.s3), SyncedFolder(execution.s3, root))
        folder.pull()
        spark = session()
        hadoop = spark.sparkContext._jsc.hadoopConfiguration()
        for name, value in s3_as_folder(root).items():
            hadoop.set(name, value)
        try:
            entry_point.run(spark, execution.argument("--job"), execution.argument("--manifest"))
        except Exception as error:
            execution.lines += [*traceback.format_exc().splitlines(), reason_of(error)]
            return 1
        finally:
            jvm(spark).org.apache.hadoop.fs.FileSystem.closeAll()
        folder.push()
        return 0

    return body


def spark_submit(root: Path, java_home: Path) -> Body:
    """Start what the step says, but on this machine."""

    def body(execution: Execution) -> int:
        folder = SyncedFolder(execution.s3, root)
        folder.pull()
        arguments = local_command(execution.command, root)
        variables = {**os.environ, **environment(java_home, sys.executable)}
        done = subprocess.run(arguments, env=variables, capture_output=True, text=True, check=False)
        execution.lines += done.stderr.splitlines()
        folder.push()
        return done.returncode

    return body


def local_command(command: list[str], root: Path) -> list[str]:
    """A cluster's ``spark-submit`` for one machine: another master, and S3 as a folder."""
    submit = str(Path(sys.executable).parent / "spark-submit")
    conf = {f"spark.hadoop.{name}": value for name, value in s3_as_folder(root).items()}
    small = {"spark.master": "local[2]", "spark.driver.memory": "1g", "spark.ui.enabled": "false"}
    local = {**COLD_START, **small}
    flags = [f"--conf={name}={value}" for name, value in {**local, **conf}.items()]
    start = command.index("--deploy-mode") + 2
    rest = [
        word.replace("s3://", f"{root}/") if _is_code(word) else word for word in command[start:]
    ]
    return [submit, *flags, *rest]


def _is_code(word: str) -> bool:
    """spark-submit fetches code before it knows of any file system."""
    return word.endswith((".zip", "launch.py"))
