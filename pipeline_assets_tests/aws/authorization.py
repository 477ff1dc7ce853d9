"""Which permissions a request to AWS needs.

https://docs.aws.amazon.com/service-authorization/latest/reference/ names them for each operation.
What a service asks for on behalf of the caller, such as the right to pass a role on, counts, too.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

from pipeline_assets_tests.aws.policies import Call
from pipeline_assets_tests.aws.recording import Request

Needs = Iterator[tuple[str, str, Mapping[str, str]]]
"""Actions, resources and contexts."""
NO_CONTEXT: Mapping[str, str] = {}


@dataclass(frozen=True)
class Account:
    """What ARNs are made of.

    Attributes:
        number: The account's number.
        region: Its region.
        cluster_tags: Tells the tags of an EMR cluster.
    """

    number: str
    region: str
    cluster_tags: Callable[[str], Mapping[str, str]]

    def arn(self, service: str, resource: str) -> str:
        """An ARN in this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.number}:{resource}"

    def role(self, name: str) -> str:
        """The ARN of a role, or of the role in an instance profile of the same name."""
        return name if name.startswith("arn:") else f"arn:aws:iam::{self.number}:role/{name}"


def calls_of(request: Request, account: Account) -> list[Call]:
    """The permissions that a request needs.

    Raises:
        KeyError: The request is to a service that this module does not know.
    """
    needs = _SERVICES[request.service](request, account)
    return [
        Call(request.principal, action, resource, tuple(sorted(context.items())))
        for action, resource, context in needs
    ]


def _s3(request: Request, _account: Account) -> Needs:
    bucket, _, key = request.path.removeprefix("/").partition("/")
    arn = f"arn:aws:s3:::{bucket}"
    if not key and "delete" in request.query:
        for found in ElementTree.fromstring(request.body).iter():
            if found.tag.endswith("Key"):
                yield "s3:DeleteObject", f"{arn}/{found.text}", NO_CONTEXT
    elif not key:
        action = "GetBucketLocation" if "location" in request.query else "ListBucket"
        assert request.method in {"GET", "HEAD"}, request
        yield f"s3:{action}", arn, {"s3:prefix": request.query.get("prefix", "")}
    else:
        if request.copies:
            source = unquote(request.copies).removeprefix("/")
            yield "s3:GetObject", f"arn:aws:s3:::{source}", NO_CONTEXT
        yield f"s3:{_object_action(request)}", f"{arn}/{key}", NO_CONTEXT


def _object_action(request: Request) -> str:
    if request.method == "DELETE":
        return "AbortMultipartUpload" if "uploadId" in request.query else "DeleteObject"
    assert not set(request.query) & {"acl", "tagging", "versionId"}, request
    return {"GET": "GetObject", "HEAD": "GetObject"}.get(request.method, "PutObject")


def _emr(request: Request, account: Account) -> Needs:
    action, body = f"elasticmapreduce:{request.target}", json.loads(request.body)
    if request.target == "ListClusters":
        yield action, "*", NO_CONTEXT
    elif request.target == "RunJobFlow":
        tags = {
            f"elasticmapreduce:RequestTag/{each['Key']}": each["Value"] for each in body["Tags"]
        }
        yield action, "*", tags
        # The cluster has no id yet, so EMR asks about a resource whose name ends in an asterisk.
        yield "elasticmapreduce:AddTags", account.arn("elasticmapreduce", "cluster/*"), tags
        for field, service in (("JobFlowRole", "ec2"), ("ServiceRole", "elasticmapreduce")):
            yield _pass_role(account.role(body[field]), service)
    else:
        for cluster in body.get("JobFlowIds") or [body.get("JobFlowId") or body["ClusterId"]]:
            tags = {
                f"elasticmapreduce:ResourceTag/{key}": value
                for key, value in account.cluster_tags(cluster).items()
            }
            yield action, account.arn("elasticmapreduce", f"cluster/{cluster}"), tags


def _pass_role(role: str, service: str) -> tuple[str, str, Mapping[str, str]]:
    return "iam:PassRole", role, {"iam:PassedToService": f"{service}.amazonaws.com"}


_JOB_RUNS = {
    (r"/applications/[^/]+/jobruns", "POST"): "StartJobRun",
    (r"/applications/[^/]+/jobruns", "GET"): "ListJobRuns",
    (r"/applications/[^/]+/jobruns/[^/]+", "GET"): "GetJobRun",
    (r"/applications/[^/]+/jobruns/[^/]+", "DELETE"): "CancelJobRun",
    (r"/applications/[^/]+/jobruns/[^/]+/dashboard", "GET"): "GetDashboardForJobRun",
}


def _serverless(request: Request, account: Account) -> Needs:
    (operation,) = (
        name
        for (path, method), name in _JOB_RUNS.items()
        if method == request.method and re.fullmatch(path, request.path)
    )
    application = request.path.split("/jobruns")[0]
    of_a_run = operation not in {"StartJobRun", "ListJobRuns"}
    resource = request.path.removesuffix("/dashboard") if of_a_run else application
    yield f"emr-serverless:{operation}", account.arn("emr-serverless", resource), NO_CONTEXT
    if operation == "StartJobRun":
        runs = account.arn("emr-serverless", f"{application}/jobruns/*")
        yield "emr-serverless:TagResource", runs, NO_CONTEXT
        yield _pass_role(json.loads(request.body)["executionRoleArn"], "emr-serverless")


def _glue(request: Request, account: Account) -> Needs:
    """Glue asks for the same right on the catalog, the database and the table."""
    body: dict[str, Any] = json.loads(request.body)
    created = body.get("DatabaseInput") or body.get("TableInput") or {}
    names = [body.get("DatabaseName"), body.get("Name"), created.get("Name")]
    database, table = [*filter(None, names), None, None][:2]
    resources = ["catalog", database and f"database/{database}"]
    resources += [table and f"table/{database}/{table}"]
    for resource in filter(None, resources):
        yield f"glue:{request.target}", account.arn("glue", resource), NO_CONTEXT


def _sqs(request: Request, account: Account) -> Needs:
    queue = json.loads(request.body)["QueueUrl"].rpartition("/")[2]
    # A batch needs the right to do what it does once.
    action = request.target.removesuffix("Batch")
    yield f"sqs:{action}", account.arn("sqs", queue), NO_CONTEXT


def _sns(request: Request, _account: Account) -> Needs:
    words = parse_qs(request.body.decode())
    yield f"sns:{words['Action'][0]}", words["TopicArn"][0], NO_CONTEXT


_SERVICES: Mapping[str, Callable[[Request, Account], Needs]] = {
    "s3": _s3,
    "elasticmapreduce": _emr,
    "emr-serverless": _serverless,
    "glue": _glue,
    "sqs": _sqs,
    "sns": _sns,
}
