from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pipeline_assets.engines.engine import Engine
from pipeline_assets.engines.spark import SparkEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets_tests.spark_resources.jobs import a_job
from spark_resources.errors import JobFailedError
from spark_resources.job import Job, Manifest
from spark_resources.runners.jvm import NoJavaError

JOB = a_job("/out", "SELECT 1 AS n", {"n": "int"})


@dataclass(frozen=True)
class FakeRunner:
    error: BaseException | None = None

    def token(self, work: Callable[[], str], log: Callable[[str], None]) -> str:
        log("looking")
        if self.error is not None:
            raise self.error
        return f"first of {work()}"

    def run(self, job: Job, log: Callable[[str], None]) -> Manifest:
        log("running")
        if self.error is not None:
            raise self.error
        return Manifest(job.token, 1, (), ())


def test_it_is_an_engine() -> None:
    engine: Engine = SparkEngine("emr", FakeRunner())
    messages: list[str] = []
    assert engine.run(JOB, messages.append).token == JOB.token
    assert (engine.name, engine.dialect, messages) == ("emr", "pyspark", ["running"])


@pytest.mark.parametrize(
    "error", [JobFailedError("step failed", ("last line",), {"id": 7}), NoJavaError("no Java")]
)
def test_failures_become_the_projects_own(error: Exception) -> None:
    with pytest.raises(PipelineError) as caught:
        SparkEngine("emr", FakeRunner(error)).run(JOB, print)
    assert str(caught.value) == f"emr: {error}"
    assert caught.value.__cause__ is error


def test_the_runner_names_attempts() -> None:
    assert SparkEngine("emr", FakeRunner()).token(lambda: "work", print) == "first of work"
    with pytest.raises(PipelineError, match="emr: no such cluster"):
        SparkEngine("emr", FakeRunner(JobFailedError("no such cluster"))).token(str, print)


def test_interruptions_pass_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        SparkEngine("spark", FakeRunner(KeyboardInterrupt())).run(JOB, print)
