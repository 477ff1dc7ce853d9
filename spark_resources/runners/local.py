"""Runs jobs on Spark on this machine, in one JVM for the whole process."""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spark_resources.errors import JobFailedError, last_lines, reason_of
from spark_resources.job import Job, Manifest, fresh_token
from spark_resources.runners.jvm import choose_java, environment

if TYPE_CHECKING:
    from dagster_pyspark import LazyPySparkResource
    from pyspark.sql import SparkSession

DEFAULTS: Final[Mapping[str, str]] = {
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}

_starting: Final = threading.Lock()


@dataclass(frozen=True)
class LocalConfig:
    """How Spark runs on this machine.

    Attributes:
        work_folder: Holds Java's wrapper, Spark's shuffle files and its warehouse.
        java_home: The value of JAVA_HOME, if it is set.
        threads: How many tasks run at once.
        memory_mib: The JVM's heap; data beyond it spills to disk.
        spark_conf: Further Spark properties, for instance jars that read S3.
    """

    work_folder: Path
    java_home: str | None = None
    threads: int = 2
    memory_mib: int = 2048
    spark_conf: Mapping[str, str] = field(default_factory=dict)

    @property
    def properties(self) -> Mapping[str, str]:
        """All Spark properties of the session."""
        return {
            **DEFAULTS,
            "spark.master": f"local[{self.threads}]",
            "spark.driver.memory": f"{self.memory_mib}m",
            "spark.local.dir": str(self.work_folder / "shuffle"),
            "spark.sql.warehouse.dir": str(self.work_folder / "warehouse"),
            **self.spark_conf,
        }


@dataclass(frozen=True)
class LocalRunner:
    """Runs jobs in a session that starts with the first of them.

    Spark allows one JVM per process, so all runners of a process share one.
    """

    config: LocalConfig

    @cached_property
    def _resource(self) -> "LazyPySparkResource":
        from dagster_pyspark import LazyPySparkResource

        return LazyPySparkResource(spark_config=dict(self.config.properties))

    def session(self) -> "SparkSession":
        """The process's session, started on first use.

        Raises:
            NoJavaError: No Java on this machine runs Spark.
        """
        java = choose_java(self.config.java_home, self.config.work_folder / "java")
        with _starting, _environment(environment(java.home, sys.executable)):
            session: SparkSession = self._resource.spark_session
        return session

    def token(self, _work: Callable[[], str], _log: Callable[[str], None]) -> str:
        """See :class:`~spark_resources.runners.runner.Runner`.

        An attempt ends with its process, so that no other process can re-attach to it.
        """
        return fresh_token()

    def run(self, job: Job, log: Callable[[str], None]) -> Manifest:
        """Execute a job; an interruption or any other exception stops its Spark tasks.

        Raises:
            JobFailedError: Spark refused or failed.
        """
        from spark_resources.cluster.entry_point import execute

        session = self.session()
        context = session.sparkContext
        log(f"Spark {context.version} on this machine, {context.master}")
        context.setJobGroup(job.token, str(job.labels.get("asset", job.kind)), True)
        try:
            return execute(session, job)
        except BaseException as error:
            _cancel(session, job.token)
            if not isinstance(error, Exception):
                raise
            raise JobFailedError(reason_of(error), log_tail=last_lines(str(error))) from error


def _cancel(session: "SparkSession", group: str) -> None:
    # In another thread, because an interrupted call leaves this thread's link to Java unusable.
    context = session.sparkContext
    thread = threading.Thread(target=context.cancelJobGroup, args=(group,), daemon=True)
    thread.start()
    thread.join(timeout=10)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    # Spark's launcher takes Java and Python from the environment and from nowhere else.
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
