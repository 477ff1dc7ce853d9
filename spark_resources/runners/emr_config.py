"""What has to be known of an EMR cluster before a step can be added to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class ClusterById:
    """A running cluster."""

    cluster_id: str


@dataclass(frozen=True)
class ClusterByName:
    """The newest running cluster of a name."""

    name: str


@dataclass(frozen=True)
class TransientCluster:
    """A cluster for one job, terminated after it.

    Attributes:
        template: What ``run_job_flow`` takes: release, instances, roles. Never changed.
    """

    template: Mapping[str, Any]


@dataclass(frozen=True)
class InstanceRate:
    """What an instance type is and costs: EC2's price and EMR's on top, per hour."""

    vcpus: int
    memory_gb: float
    usd_per_hour: float


@dataclass(frozen=True)
class EmrStepConfig:
    """Which cluster, and how Spark runs on it.

    Attributes:
        cluster: Where steps go.
        deployment: Names us in tags.
        spark_conf: Spark properties of every job.
        rates: Instance type to what it costs; types that are missing are not estimated.
        look_back: No job of ours is older; bounds the search for one to re-attach to.
    """

    cluster: ClusterById | ClusterByName | TransientCluster
    deployment: str
    spark_conf: Mapping[str, str] = field(default_factory=dict)
    rates: Mapping[str, InstanceRate] = field(default_factory=dict)
    look_back: timedelta = timedelta(days=2)


def cost(
    types: Mapping[str, int], rates: Mapping[str, InstanceRate], hours: float
) -> dict[str, Any]:
    """Usage and estimated cost of instances for some hours; nothing where a rate is unknown."""
    if not types or any(type_ not in rates for type_ in types):
        return {"instances": dict(types)}
    total = [(rates[type_], count * hours) for type_, count in types.items()]
    return {
        "instances": dict(types),
        "vcpu_hours": round(sum(rate.vcpus * used for rate, used in total), 4),
        "memory_gb_hours": round(sum(rate.memory_gb * used for rate, used in total), 4),
        "estimated_cost_usd": round(sum(rate.usd_per_hour * used for rate, used in total), 4),
    }
