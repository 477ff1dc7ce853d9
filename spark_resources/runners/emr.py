"""EMR on EC2: a job is a step of a running cluster, or of a cluster started for this job.

A step has no idempotency key of its own at EMR. So its name ends in the attempt's token, and the
runner searches for that name before it starts a step.
"""

import copy
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from spark_resources.errors import JobFailedError
from spark_resources.runners.emr_config import (
    ClusterById,
    ClusterByName,
    EmrStepConfig,
    Span,
    TransientCluster,
    cost,
    shared_seconds,
)
from spark_resources.runners.service import Outcome, RemoteJob, Status, Submission
from spark_resources.runners.tokens import token_of, token_suffix

if TYPE_CHECKING:
    from types_boto3_emr import EMRClient
    from types_boto3_emr.literals import ClusterStateType
    from types_boto3_emr.type_defs import (
        ClusterStatusTypeDef,
        ClusterSummaryTypeDef,
        StepConfigTypeDef,
        StepTypeDef,
    )

LABELS: Final = "--labels"
"""Steps have no tags, so their labels travel as an argument, which ``list_steps`` returns."""

_UP: Final[tuple["ClusterStateType", ...]] = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
_LOST: Final = frozenset({"TERMINATED", "TERMINATED_WITH_ERRORS"})
_OUTCOMES: Final[Mapping[str, Outcome]] = {
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "failed",
    "INTERRUPTED": "failed",
}


@dataclass(frozen=True)
class EmrSteps:
    """The :class:`.runner.Service` of EMR on EC2.

    The client must not repeat requests by itself, or ``add_job_flow_steps`` may start a job twice.
    """

    emr: "EMRClient"
    config: EmrStepConfig

    name: Final = "emr"

    def find(self, token: str) -> RemoteJob | None:
        """See :class:`.runner.Service`; of two steps of one attempt, one that did not fail."""
        failed: RemoteJob | None = None
        for cluster_id in self._clusters(token_suffix(token)):
            for step in self._recent_steps(cluster_id):
                if step.get("Name", "").endswith(token_suffix(token)):
                    found = RemoteJob(cluster_id, step["Id"], _labels(step))
                    if _OUTCOMES.get(step["Status"]["State"]) != "failed":
                        return found
                    failed = failed or found
        return failed

    def start(self, submission: Submission) -> RemoteJob:
        """See :class:`.runner.Service`.

        Raises:
            JobFailedError: No running cluster has the name of the configuration.
        """
        step = self._step(submission)
        if isinstance(self.config.cluster, TransientCluster):
            return self._start_cluster(self.config.cluster.template, step, submission)
        cluster_id = self._running_cluster()
        answer = self.emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=[step])
        return RemoteJob(cluster_id, answer["StepIds"][0], submission.tags)

    def status(self, job: RemoteJob) -> Status:
        """See :class:`.runner.Service`; the step's state counts unless the cluster is lost."""
        # The cluster is asked first: if it is gone by then, the step's later answer is final.
        cluster = self._cluster_status(job)
        step = self.emr.describe_step(ClusterId=job.parent, StepId=job.id)["Step"]["Status"]
        if step["State"] == "CANCELLED":
            # EMR cancels the steps of a cluster that is lost, and their states do not say so.
            cluster = self._cluster_status(job)
        lost = cluster["State"] in _LOST
        outcome = _OUTCOMES.get(step["State"], "failed" if lost else "going")
        details = step.get("FailureDetails", {})
        reasons = [details.get("Reason"), details.get("Message"), _message(step)]
        if lost or (step["State"], cluster["State"]) == ("CANCELLED", "TERMINATING"):
            reasons += [f"cluster {job.parent} is {cluster['State']}", _message(cluster)]
        return Status(step["State"], outcome, "; ".join(reason for reason in reasons if reason))

    def _cluster_status(self, job: RemoteJob) -> "ClusterStatusTypeDef":
        return self.emr.describe_cluster(ClusterId=job.parent)["Cluster"]["Status"]

    def cancel(self, job: RemoteJob) -> None:
        """See :class:`.runner.Service`."""
        if isinstance(self.config.cluster, TransientCluster):
            self.emr.terminate_job_flows(JobFlowIds=[job.parent])
        else:
            self.emr.cancel_steps(
                ClusterId=job.parent,
                StepIds=[job.id],
                StepCancellationOption="TERMINATE_PROCESS",
            )

    def release(self, job: RemoteJob) -> None:
        """See :class:`.runner.Service`."""
        if isinstance(self.config.cluster, TransientCluster):
            self.emr.terminate_job_flows(JobFlowIds=[job.parent])

    def log_folder(self, job: RemoteJob) -> str | None:
        """See :class:`.runner.Service`; in client mode the driver logs to the step's files."""
        cluster = self.emr.describe_cluster(ClusterId=job.parent)["Cluster"]
        root = cluster.get("LogUri")
        if not root:
            return None
        # EMR returns the URI with an old scheme of Hadoop.
        plain = root.replace("s3n://", "s3://", 1).rstrip("/")
        return f"{plain}/{job.parent}/steps/{job.id}"

    def facts(self, job: RemoteJob) -> Mapping[str, Any]:
        """See :class:`.runner.Service`."""
        region = self.emr.meta.region_name
        console = f"https://{region}.console.aws.amazon.com/emr/home?region={region}"
        return {
            "cluster_id": job.parent,
            "step_id": job.id,
            "console_url": f"{console}#/clusterDetails/{job.parent}",
            **self._usage(job),
        }

    def active(self) -> Iterator[RemoteJob]:
        """See :class:`.runner.Service`."""
        for cluster_id in self._clusters(""):
            steps = self.emr.get_paginator("list_steps").paginate(
                ClusterId=cluster_id, StepStates=["PENDING", "RUNNING"]
            )
            for step in (step for page in steps for step in page["Steps"]):
                labels = _labels(step)
                if labels.get("deployment") == self.config.deployment:
                    yield RemoteJob(cluster_id, step["Id"], labels, token_of(step.get("Name", "")))

    def _step(self, submission: Submission) -> "StepConfigTypeDef":
        transient = isinstance(self.config.cluster, TransientCluster)
        return {
            "Name": submission.name,
            "ActionOnFailure": "TERMINATE_CLUSTER" if transient else "CONTINUE",
            "HadoopJarStep": {"Jar": "command-runner.jar", "Args": self._command(submission)},
        }

    def _command(self, submission: Submission) -> list[str]:
        conf = [f"--conf={key}={value}" for key, value in sorted(self.config.spark_conf.items())]
        # In client mode the driver runs in the step: the step's log is the driver's, and cancelling
        # the step ends the job.
        mode = ["--deploy-mode", "client"]
        archive = ["--py-files", submission.package.archive_uri]
        labels = [LABELS, json.dumps(dict(submission.tags), sort_keys=True)]
        script = [submission.package.script_uri, *submission.arguments, *labels]
        return ["spark-submit", *mode, *conf, *archive, *script]

    def _start_cluster(
        self, template: Mapping[str, Any], step: "StepConfigTypeDef", submission: Submission
    ) -> RemoteJob:
        request = copy.deepcopy(dict(template))
        request["Name"] = submission.name
        request["Steps"] = [*request.get("Steps", []), step]
        # The cluster ends with its steps even if this process is killed before it can terminate it.
        request.setdefault("Instances", {})["KeepJobFlowAliveWhenNoSteps"] = False
        ours = [{"Key": key, "Value": tag_value(v)} for key, v in submission.tags.items()]
        request["Tags"] = [*request.get("Tags", []), *ours]
        cluster_id = self.emr.run_job_flow(**request)["JobFlowId"]
        found = self.find(submission.token)
        if found is None:
            raise JobFailedError(f"cluster {cluster_id} started without its step")
        return found

    def _running_cluster(self) -> str:
        clusters = list(self._clusters(""))
        if not clusters:
            raise JobFailedError(f"no running EMR cluster matches {self.config.cluster}; start one")
        return clusters[0]

    def _clusters(self, suffix: str) -> Iterator[str]:
        """Ids of clusters that may run our steps, the newest first.

        Args:
            suffix: The end of the names of transient clusters; with one, ended clusters count, too.
        """
        cluster = self.config.cluster
        if isinstance(cluster, ClusterById):
            yield cluster.cluster_id
        elif isinstance(cluster, ClusterByName):
            yield from (c["Id"] for c in self._list(_UP) if c["Name"] == cluster.name)
        else:
            prefix = f"{self.config.deployment}: "
            for found in self._list(() if suffix else _UP):
                if found["Name"].startswith(prefix) and found["Name"].endswith(suffix):
                    yield found["Id"]

    def _list(self, states: tuple["ClusterStateType", ...]) -> list["ClusterSummaryTypeDef"]:
        paginator = self.emr.get_paginator("list_clusters")
        if states:
            pages = paginator.paginate(ClusterStates=states)
        else:
            pages = paginator.paginate(CreatedAfter=datetime.now(UTC) - self.config.look_back)
        found = [cluster for page in pages for cluster in page["Clusters"]]
        return sorted(
            found, key=lambda c: c["Status"]["Timeline"]["CreationDateTime"], reverse=True
        )

    def _recent_steps(self, cluster_id: str) -> Iterator["StepTypeDef"]:
        oldest = datetime.now(UTC) - self.config.look_back
        for page in self.emr.get_paginator("list_steps").paginate(ClusterId=cluster_id):
            for step in page["Steps"]:  # newest first
                if step["Status"]["Timeline"]["CreationDateTime"] < oldest:
                    return
                yield step  # type: ignore[misc]

    def _usage(self, job: RemoteJob) -> dict[str, Any]:
        """The step's share of the cluster: of an hour in which two steps ran, half an hour."""
        now = datetime.now(UTC)
        spans = {each["Id"]: _span(each, now) for each in self._recent_steps(job.parent)}
        own = spans.pop(job.id, None)
        if own is None:
            return {}
        whole = (own[1] - own[0]).total_seconds()
        hours = shared_seconds(own, list(filter(None, spans.values()))) / 3600
        pages = self.emr.get_paginator("list_instances").paginate(
            ClusterId=job.parent, InstanceStates=["RUNNING"]
        )
        types = Counter(i.get("InstanceType", "") for page in pages for i in page["Instances"])
        return {"duration_seconds": round(whole, 1), **cost(types, self.config.rates, hours)}


def tag_value(text: str) -> str:
    """Turn a text into a tag's value: up to 256 of the characters that AWS allows."""
    return "".join(c if c.isalnum() or c in " _.:/=+-@" else "_" for c in text)[:256]


def _span(step: "StepTypeDef", now: datetime) -> Span | None:
    """When a step ran; None if it has not started."""
    times = step["Status"]["Timeline"]
    if "StartDateTime" not in times:
        return None
    return times["StartDateTime"], times.get("EndDateTime") or now


def _message(status: Any) -> str | None:  # noqa: ANN401 - of a step or of a cluster
    message: str | None = status.get("StateChangeReason", {}).get("Message")
    return message


def _labels(step: Any) -> Mapping[str, str]:  # noqa: ANN401 - Step or StepSummary
    """The labels of a step of ours; none of a stranger's, whatever it calls its own arguments."""
    arguments = step.get("Config", {}).get("Args", [])
    place = arguments.index(LABELS) + 1 if LABELS in arguments else len(arguments)
    try:
        labels = json.loads("".join(arguments[place : place + 1]))
    except ValueError:
        return {}
    return labels if isinstance(labels, dict) else {}
