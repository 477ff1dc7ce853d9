"""A whole deployment on the doubles, named as deploy/ names it, with every request recorded."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.sample import write_samples
from pipeline_assets_tests.aws.authorization import Account, calls_of
from pipeline_assets_tests.aws.policies import Call, Policy
from pipeline_assets_tests.aws.recording import Request, recorded_requests
from pipeline_assets_tests.deploy.templates import Stacks
from pipeline_assets_tests.doubles.emr import (
    ACCOUNT,
    BUCKET,
    REGION,
    AwsDouble,
    aws_account,
    aws_server,
    cluster_template,
)
from pipeline_assets_tests.orchestration.test_daemon import reviews_of_films
from pipeline_assets_tests.orchestration.test_remote_runs import leave_nothing
from spark_resources.job import Job

DAGSTER: Final = "DAGSTERS-ROLE"
LANDING: Final = "landing"
READER: Final = "READERS-ROLE"
API: Final = "APIS-ROLE"
QUEUE: Final = "prod-landing"
TOPIC: Final = f"arn:aws:sns:{REGION}:{ACCOUNT}:prod-alerts"
JOB_ROLE: Final = f"prod-job-{REGION}"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/{JOB_ROLE}"
ON_A_CLUSTER: Final = "rentals/rejected_rows"
DAY: Final = "2025-12-31"
DELIVERED: Final = ("Gift_Card", "2026-01-01", "taobao_test")
SERVERLESS: Final = "music/rejected_rows"


@dataclass(frozen=True)
class Deployed:
    """A deployment.

    Attributes:
        double: The account that it lives in.
        requests: Every request since it began.
        application: The id of its EMR Serverless application.
        queue_url: The queue that S3 notifies.
        environment: Sets variables.
        folder: For files.
    """

    double: AwsDouble
    requests: list[Request]
    application: str
    queue_url: str
    environment: pytest.MonkeyPatch
    folder: Path

    def run(self, *words: str, **settings: str) -> None:
        """Run a command in the environment of the stacks' task, with some other settings."""
        for name, value in settings.items():
            self.environment.setenv(f"PIPELINE_{name.upper()}", value)
        cli.main(words, prog_name="pipeline-assets", obj=Session(), standalone_mode=False)

    def template(self) -> str:
        """The file of a RunJobFlow request, as the stack `spark` puts it out."""
        roles = {"ServiceRole": f"prod-emr-service-{REGION}", "JobFlowRole": JOB_ROLE}
        path = self.folder / "cluster.json"
        path.write_text(json.dumps({**cluster_template(), **roles}))
        return str(path)

    def policy(self, role: str) -> Policy:
        """What a role of the stacks allows, with the names of this account's buckets in it."""
        text = json.dumps(Stacks(ACCOUNT, REGION, self.application).policy(role))
        for purpose, own in (("lake", BUCKET), ("landing", LANDING)):
            text = text.replace(f"prod-{purpose}-{ACCOUNT}-{REGION}", own)
        policy: Policy = json.loads(text)
        return policy

    def jobs(self) -> list[Job]:
        """The jobs that Dagster has staged."""
        listed = self.double.s3.list_objects_v2(Bucket=BUCKET, Prefix="lake/_jobs/jobs/")
        keys = [each["Key"] for each in listed["Contents"] if each["Key"].endswith("/job.json")]
        read = (self.double.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys)
        return [Job.from_json(content.decode()) for content in read]

    def calls(self, principal: str = DAGSTER) -> set[Call]:
        """What a role has needed so far."""
        account = Account(ACCOUNT, REGION, self._tags)
        own = (each for each in self.requests if each.principal == principal)
        return {call for request in own for call in calls_of(request, account)}

    def _tags(self, cluster: str) -> Mapping[str, str]:
        # moto has both forms of tags under one name.
        return {tag["Key"]: tag["Value"] for tag in self.double.clusters[cluster].tags}


@contextmanager
def deployed(
    folder: Path, environment: pytest.MonkeyPatch, shop: SecretDsn, warehouse: SecretDsn
) -> Iterator[Deployed]:
    """An account with everything that the stacks create, and a first delivery of each vendor."""
    with (
        aws_server() as endpoint,
        recorded_requests() as requests,
        aws_account(endpoint) as double,
    ):
        double.body = leave_nothing
        cluster, application = double.start_cluster(), double.start_application()
        emr, sqs, sns = (double.client(name) for name in ("emr", "sqs", "sns"))
        emr.add_tags(ResourceId=cluster, Tags=[{"Key": "deployment", "Value": "prod"}])
        queue_url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
        sns.create_topic(Name=TOPIC.rpartition(":")[2])
        deliver(double.s3, folder / "samples")
        overrides = {ON_A_CLUSTER: "emr", SERVERLESS: "emr-serverless"}
        settings = {
            "lake_uri": f"s3://{BUCKET}/lake",
            "landing_uri": f"s3://{LANDING}",
            "catalog_uri": "glue",
            "s3_region": REGION,
            "s3_endpoint_url": endpoint,
            "emr_endpoint_url": endpoint,
            "sqs_endpoint_url": endpoint,
            "deployment_name": "prod",
            "compute_logs_uri": f"s3://{BUCKET}/logs/dagster",
            "dagster_home": str(folder / "dagster"),
            "engine_overrides": json.dumps(overrides),
            "emr_cluster": cluster,
            "emr_serverless_application_id": application,
            "emr_execution_role_arn": ROLE,
            "emr_log_uri": f"s3://{BUCKET}/logs",
            "job_poll_seconds": "0.05",
            "oltp_dsn": shop.reveal(),
            "warehouse_dsn": warehouse.reveal(),
            "memory_limit_mib": "512",
        }
        aws = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": DAGSTER}
        for name, value in {**aws, "AWS_SECRET_ACCESS_KEY": "any"}.items():
            environment.setenv(name, value)
        site = Deployed(double, requests, application, queue_url, environment, folder)
        for name, value in settings.items():
            environment.setenv(f"PIPELINE_{name.upper()}", value)
        yield site


def deliver(s3: Any, folder: Path) -> None:  # noqa: ANN401 - boto3 makes clients at run time
    """What the vendors do, with keys of their own: one delivery each."""
    write_samples(folder, 0.01, 0, 0.0)
    s3.create_bucket(Bucket=LANDING)
    for path in sorted(filter(Path.is_file, folder.rglob("*"))):
        key = str(path.relative_to(folder))
        if any(part in key for part in DELIVERED):
            s3.upload_file(str(path), LANDING, key)
    reviews = f"movie_review/{DAY}/movie_review.csv"
    s3.put_object(Bucket=LANDING, Key=reviews, Body=reviews_of_films())
