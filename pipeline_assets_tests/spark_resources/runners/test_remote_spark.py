"""The whole way: a runner, the API, a step that really is Spark, and back."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline_assets_tests.doubles.emr import (
    LOGS,
    ROLE,
    AwsDouble,
    aws_account,
    aws_server,
)
from pipeline_assets_tests.doubles.emr_spark import in_process, spark_submit
from pipeline_assets_tests.spark_resources.jobs import LINES, a_job, lines, partitioned
from spark_resources.errors import JobFailedError
from spark_resources.job import Job, SourceFile
from spark_resources.runners.emr import EmrSteps
from spark_resources.runners.emr_config import ClusterById, EmrStepConfig
from spark_resources.runners.emr_serverless import EmrServerless, EmrServerlessConfig
from spark_resources.runners.jvm import choose_java
from spark_resources.runners.local import LocalRunner
from spark_resources.runners.polling import PollPolicy
from spark_resources.runners.runner import RemoteRunner
from spark_resources.runners.service import Service
from spark_resources.runners.staging import Staging

pytestmark = pytest.mark.spark

POLL = PollPolicy(first_seconds=0.05, longest_seconds=0.2, deadline_seconds=200, log_seconds=10)


@pytest.fixture
def double() -> Iterator[AwsDouble]:
    with aws_server() as endpoint, aws_account(endpoint) as account:
        account.s3.put_object(Bucket="lake", Key="raw/split=a%2Fb/part 0.txt", Body=b"x\ny\n")
        yield account


def word_job(out: str) -> Job:
    file = SourceFile("s3://lake/raw/split=a%2Fb/part 0.txt", {"split": "a/b"}, first_line=7)
    source = lines(file, split="string")
    schema = {**LINES, "split": "string"}
    job = a_job(out, "SELECT * FROM raw", schema, raw=source)
    return partitioned(job, "split", "a/b")


def remote(double: AwsDouble, service: Service) -> RemoteRunner:
    return RemoteRunner(service, Staging(double.s3, "s3://lake/staging"), "test", POLL)


def emr(double: AwsDouble) -> Service:
    config = EmrStepConfig(ClusterById(double.start_cluster()), "test")
    return EmrSteps(double.client("emr"), config)


def serverless(double: AwsDouble) -> Service:
    config = EmrServerlessConfig(double.start_application(), ROLE, "test", log_uri=LOGS)
    return EmrServerless(double.client("emr-serverless"), config)


def check(double: AwsDouble, service: Service, folder: Path) -> None:
    manifest = remote(double, service).run(word_job("s3://lake/tables/words"), print)
    [file] = manifest.files
    # Each driver writes into a folder of its own, so that two of one job never mix.
    assert re.match("s3://lake/tables/words/[0-9a-f]{32}/by_split=a%2Fb/part-", file.uri)
    target = folder / "read back.parquet"
    double.s3.download_file("lake", file.uri.removeprefix("s3://lake/"), str(target))
    assert pq.ParquetFile(target).read().to_pylist() == [
        {"line": "x", "line_number": 7, "split": "a/b"},
        {"line": "y", "line_number": 8, "split": "a/b"},
    ]


@pytest.mark.parametrize("service", [emr, serverless])
def test_a_job_runs_in_a_shared_session(
    double: AwsDouble, runner: LocalRunner, tmp_path: Path, service: object
) -> None:
    double.body = in_process(runner.session, tmp_path / "s3")
    check(double, service(double), tmp_path)  # type: ignore[operator]


def test_a_job_runs_by_spark_submit_from_the_package(double: AwsDouble, tmp_path: Path) -> None:
    java = choose_java(None, tmp_path / "java").home
    double.body = spark_submit(tmp_path / "s3", java)
    check(double, emr(double), tmp_path)


def test_sparks_own_error_reaches_the_run(
    double: AwsDouble, runner: LocalRunner, tmp_path: Path
) -> None:
    double.body = in_process(runner.session, tmp_path / "s3")
    job = replace(word_job("s3://lake/tables/words"), sql="SELECT nothing FROM raw")
    with pytest.raises(JobFailedError, match="UNRESOLVED_COLUMN"):
        remote(double, emr(double)).run(job, print)
