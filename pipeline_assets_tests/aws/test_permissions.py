"""The policies of deploy/: they allow what a deployment does, and nothing that harms others.

The doubles serve a deployment that is named as the stacks name it. The server records each request,
whichever library has sent it, and the test asks the policies about each of them.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pipeline_assets.command.postgres_server import ensure_database
from pipeline_assets.command.session import Session
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.orchestration.alerts.channels import SnsTopic
from pipeline_assets.orchestration.alerts.incidents import Alert
from pipeline_assets.orchestration.resources.remote import remote_runners
from pipeline_assets.orchestration.sensors.janitor_sensor import sweep
from pipeline_assets.orchestration.sensors.s3_events import EventQueue
from pipeline_assets.sample.rental_database import fill_rentals
from pipeline_assets.serving.server import api
from pipeline_assets.settings import Settings
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.aws.deployed import (
    API,
    DAGSTER,
    DAY,
    ON_A_CLUSTER,
    READER,
    SERVERLESS,
    TOPIC,
    Deployed,
    deployed,
)
from pipeline_assets_tests.aws.policies import Call, allows
from pipeline_assets_tests.deploy.templates import Stacks
from pipeline_assets_tests.deploy.test_templates import actions
from pipeline_assets_tests.doubles.emr import BUCKET, fail, hang
from pipeline_assets_tests.orchestration.test_remote_runs import leave_nothing

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

JOBS = f'key:"{ON_A_CLUSTER}" or key:"{SERVERLESS}"'
IDLE = {
    "s3:AbortMultipartUpload",  # only an upload of several parts that fails
    "s3:GetBucketLocation",  # only clients of Amazon's own S3
    "kms:Decrypt",  # S3 asks for it, on behalf of whoever reads
    "kms:GenerateDataKey",
    "elasticmapreduce:RemoveTags",  # denied
}
"""What the policy of Dagster's role names and no request of the test needs."""


@pytest.mark.daemon
def test_the_policies_allow_every_request_of_a_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_server: SecretDsn
) -> None:
    shop, warehouse = (ensure_database(postgres_server, f"iam_{n}") for n in ("shop", "house"))
    fill_rentals(shop, 0.05, days=1)
    with deployed(tmp_path, monkeypatch, shop, warehouse) as site:
        everyday_work(site)
        failing_jobs(site)
        sensors_and_alerts(site)
        a_cluster_for_one_job(site)
        readers(site)
        for principal, role in ((DAGSTER, "DagsterRole"), (READER, "ReaderRole"), (API, "ApiRole")):
            policy, calls = site.policy(role), site.calls(principal)
            assert calls
            assert sorted(call for call in calls if not allows(policy, call)) == []
        needed = {call.action for call in site.calls()}
        assert actions("DagsterRole") - needed == IDLE

        of_jobs = site.policy("JobRole")
        assert sorted(call for call in needed_by_jobs(site) if not allows(of_jobs, call)) == []


def everyday_work(site: Deployed) -> None:
    site.run("doctor")
    site.run("update")
    site.run("missing")
    site.run("query", "select count(*) from rentals.movie_reviews")
    table = Session().deployment.lake
    (reviews,) = (each for each in Session().tables if str(each) == "rentals.movie_reviews")
    (entry,) = table.history(reviews)
    site.run("history", str(reviews))
    site.run("restore", str(reviews), "--snapshot", str(entry.snapshot_id))
    site.run("clean")
    site.run("verify", str(reviews), "--deep")
    site.run("recover", "--dry-run")
    site.run("backup", f"s3://{BUCKET}/backups")


def failing_jobs(site: Deployed) -> None:
    """Jobs whose logs are read, and jobs that take too long and are cancelled."""
    again = ("update", "--again", "--select", JOBS)
    site.double.body = fail
    with pytest.raises(SystemExit):
        site.run(*again)
    site.double.body = hang
    with pytest.raises(SystemExit):
        site.run(*again, job_deadline_hours="0.0003")
    assert "CANCELLED" in site.double.states().values()
    site.double.body = leave_nothing
    site.environment.delenv("PIPELINE_JOB_DEADLINE_HOURS")


def sensors_and_alerts(site: Deployed) -> None:
    deployment, instance = Session().deployment, Session().instance
    sweep(remote_runners(deployment.engines.routed), instance, datetime.now(UTC), print)
    site.double.client("sqs").send_message(QueueUrl=site.queue_url, MessageBody=json.dumps({}))
    queue = EventQueue(site.queue_url, S3Access(site.double.endpoint, deployment.s3.region))
    received = list(queue.receive(1))
    assert received
    queue.delete(received)
    SnsTopic(TOPIC).send(Alert("a1", "[prod] Run failed", "disk full", "http://ui/runs/r1"))


def a_cluster_for_one_job(site: Deployed) -> None:
    again = ("update", "--again", "--select", f'key:"{ON_A_CLUSTER}"', "--partition", DAY)
    site.run(*again, emr_cluster_template=site.template())


def readers(site: Deployed) -> None:
    """People who ask the lake, and the HTTP API."""
    site.environment.setenv("AWS_ACCESS_KEY_ID", READER)
    site.run("tables")
    site.run("query", "select count(*) from rentals.movie_reviews")
    site.run("history", "rentals.movie_reviews")
    site.environment.setenv("AWS_ACCESS_KEY_ID", API)
    with TestClient(api(Settings.from_environment())) as client:
        assert client.get("/tables").status_code == 200
        asked = {"sql": "select count(*) from rentals.movie_reviews"}
        assert client.post("/query", json=asked).status_code == 200
    site.environment.setenv("AWS_ACCESS_KEY_ID", DAGSTER)


def needed_by_jobs(site: Deployed) -> set[Call]:
    """What the jobs' role needs on S3, from what the jobs say; the doubles run no Spark."""
    needed: set[Call] = set()
    for job in site.jobs():
        staged = f"s3://lake/lake/_jobs/jobs/{job.token}"
        inputs = [file.uri for source in job.inputs.values() for file in source.files]
        written = [f"{job.destination.uri}/part-0.parquet", f"{staged}/manifest.json"]
        needed |= {object_call("GetObject", uri) for uri in [*inputs, f"{staged}/job.json"]}
        needed |= {object_call(what, uri) for uri in written for what in ("Put", "Delete")}
    return needed


def object_call(what: str, uri: str) -> Call:
    action = what if what.endswith("Object") else f"{what}Object"
    return Call("job", f"s3:{action}", uri.replace("s3://", "arn:aws:s3:::"))


LAKE, LANDING = (f"arn:aws:s3:::prod-{each}-111122223333-eu-west-1" for each in ("lake", "landing"))
OURS = (("elasticmapreduce:ResourceTag/deployment", "prod"),)
ASKED = (("elasticmapreduce:RequestTag/deployment", "prod"),)
CLUSTER = "arn:aws:elasticmapreduce:eu-west-1:111122223333:cluster"
JOBS_ROLE = "arn:aws:iam::111122223333:role/prod-job-eu-west-1"


def passed_to(service: str) -> tuple[tuple[str, str], ...]:
    return (("iam:PassedToService", f"{service}.amazonaws.com"),)


@pytest.mark.parametrize(
    "call",
    [
        # Putting our tag on a cluster would make it ours.
        Call("dagster", "elasticmapreduce:AddTags", f"{CLUSTER}/j-SOMEBODYS", ASKED),
        Call("dagster", "elasticmapreduce:AddTags", f"{CLUSTER}/j-OURS", OURS + ASKED),
        Call("dagster", "elasticmapreduce:RemoveTags", f"{CLUSTER}/j-OURS", OURS),
        Call("dagster", "elasticmapreduce:AddJobFlowSteps", f"{CLUSTER}/j-SOMEBODYS"),
        Call("dagster", "elasticmapreduce:TerminateJobFlows", f"{CLUSTER}/j-SOMEBODYS"),
        Call("dagster", "elasticmapreduce:RunJobFlow"),
        Call("dagster", "iam:PassRole", JOBS_ROLE, passed_to("lambda")),
        Call("dagster", "iam:PassRole", JOBS_ROLE, passed_to("elasticmapreduce")),
        Call(
            "dagster",
            "iam:PassRole",
            JOBS_ROLE.replace("prod-job", "prod-dagster"),
            passed_to("ec2"),
        ),
        Call("dagster", "s3:PutObject", f"{LANDING}/users.csv"),
        Call("dagster", "s3:DeleteObject", f"{LANDING}/users.csv"),
        Call("dagster", "sqs:SendMessage", "arn:aws:sqs:eu-west-1:111122223333:prod-landing"),
        Call("dagster", "sns:Publish", "arn:aws:sns:eu-west-1:111122223333:others"),
        Call("dagster", "glue:DeleteTable", "arn:aws:glue:eu-west-1:111122223333:table/lake/x"),
        Call("job", "s3:GetObject", f"{LANDING}/users.csv"),
        Call("job", "s3:PutObject", f"{LAKE}/catalog.db"),
        Call("job", "glue:UpdateTable", "arn:aws:glue:eu-west-1:111122223333:table/lake/x"),
        Call("reader", "s3:GetObject", f"{LANDING}/users.csv"),
        Call("reader", "s3:PutObject", f"{LAKE}/lake/music/users/data.parquet"),
        Call("reader", "s3:DeleteObject", f"{LAKE}/lake/music/users/data.parquet"),
        Call("api", "s3:PutObject", f"{LAKE}/athena/x.csv"),
        Call("api", "glue:UpdateTable", "arn:aws:glue:eu-west-1:111122223333:table/lake/x"),
    ],
    ids=lambda call: f"{call.principal} {call.action} {call.resource[-12:]}",
)
def test_the_policies_do_not_allow(call: Call) -> None:
    assert not allows(Stacks().policy(f"{call.principal.title()}Role"), call)


def test_the_policies_allow_a_new_cluster_its_tags() -> None:
    creation = Call("dagster", "elasticmapreduce:AddTags", f"{CLUSTER}/*", ASKED)
    assert allows(Stacks().policy("DagsterRole"), creation)
