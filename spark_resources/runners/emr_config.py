"""Configuration of EMR: which cluster runs the steps, and what instances and job runs cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, TypeAlias

Span: TypeAlias = tuple[datetime, datetime]
"""When something began and ended."""


@dataclass(frozen=True)
class ClusterById:
    """A running cluster."""

    cluster_id: str


@dataclass(frozen=True)
class ClusterByName:
    """The newest running cluster with a name."""

    name: str


@dataclass(frozen=True)
class TransientCluster:
    """A cluster for one job, terminated after it.

    Attributes:
        template: The arguments of ``run_job_flow``: release, instances, roles.
    """

    template: Mapping[str, Any]


@dataclass(frozen=True)
class InstanceRate:
    """The size of an instance type and its price per hour, EC2's and EMR's shares together."""

    vcpus: int
    memory_gb: float
    usd_per_hour: float


@dataclass(frozen=True)
class ServerlessRates:
    """Amazon's prices, which differ by region and by the application's architecture.

    Attributes:
        usd_per_vcpu_hour: For a virtual CPU.
        usd_per_memory_gb_hour: For memory.
        usd_per_storage_gb_hour: For storage beyond what is free.
    """

    usd_per_vcpu_hour: float
    usd_per_memory_gb_hour: float
    usd_per_storage_gb_hour: float = 0


@dataclass(frozen=True)
class EmrStepConfig:
    """Which cluster, and how Spark runs on it.

    Attributes:
        cluster: The cluster that runs the steps.
        deployment: The name of this deployment, in tags.
        spark_conf: Spark properties of every job.
        rates: Price by instance type; without all of a cluster's types there is no estimate.
        look_back: How far back to search for a job to re-attach to.
    """

    cluster: ClusterById | ClusterByName | TransientCluster
    deployment: str
    spark_conf: Mapping[str, str] = field(default_factory=dict)
    rates: Mapping[str, InstanceRate] = field(default_factory=dict)
    look_back: timedelta = timedelta(days=2)


def cost(
    types: Mapping[str, int], rates: Mapping[str, InstanceRate], hours: float
) -> dict[str, Any]:
    """Usage and estimated cost of instances for some hours; no estimate if a rate is unknown."""
    if not types or any(type_ not in rates for type_ in types):
        return {"instances": dict(types)}
    total = [(rates[type_], count * hours) for type_, count in types.items()]
    return {
        "instances": dict(types),
        "vcpu_hours": round(sum(rate.vcpus * used for rate, used in total), 4),
        "memory_gb_hours": round(sum(rate.memory_gb * used for rate, used in total), 4),
        "estimated_cost_usd": round(sum(rate.usd_per_hour * used for rate, used in total), 4),
    }


def shared_seconds(own: Span, others: Sequence[Span]) -> float:
    """The seconds of a span, each divided by the number of spans that it lies in.

    So what several steps of a cluster are charged adds up to what the cluster costs meanwhile.
    """
    start, end = own
    edges = sorted({start, end, *(t for span in others for t in span if start < t < end)})
    shares = (
        (after - before).total_seconds()
        / (1 + sum(begun <= before and after <= ended for begun, ended in others))
        for before, after in pairwise(edges)
    )
    return sum(shares)
