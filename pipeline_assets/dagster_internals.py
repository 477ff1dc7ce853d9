"""Every name of Dagster's private modules that this project uses, in one place.

Dagster may move them in any release; whoever lifts its version looks here first. A test keeps such
imports out of all other modules.
"""

from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.freshness import CronFreshnessPolicy, TimeWindowFreshnessPolicy
from dagster._core.definitions.partitions.subset import TimeWindowPartitionsSubset
from dagster._core.definitions.partitions.utils import PersistedTimeWindow
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.instance import DynamicPartitionsStore
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    AUTOMATION_CONDITION_TAG,
    BACKFILL_ID_TAG,
    GRPC_INFO_TAG,
    MAX_RETRIES_TAG,
    PARTITION_NAME_TAG,
    SENSOR_NAME_TAG,
    WILL_RETRY_TAG,
)
from dagster._core.types.pagination import PaginatedResults
from dagster._serdes import ConfigurableClassData
from dagster_shared.error import DagsterError, SerializableErrorInfo

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "AUTOMATION_CONDITION_TAG",
    "BACKFILL_ID_TAG",
    "DATA_VERSION_TAG",
    "GRPC_INFO_TAG",
    "MAX_RETRIES_TAG",
    "PARTITION_NAME_TAG",
    "SENSOR_NAME_TAG",
    "WILL_RETRY_TAG",
    "AssetGraph",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "CronFreshnessPolicy",
    "DagsterError",
    "DagsterExecutionInterruptedError",
    "DefaultRunLauncher",
    "DynamicPartitionsStore",
    "InstanceRef",
    "PaginatedResults",
    "PersistedTimeWindow",
    "RegisteredCodeLocationOrigin",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "SerializableErrorInfo",
    "TimeWindowFreshnessPolicy",
    "TimeWindowPartitionsSubset",
    "UnresolvedAssetJobDefinition",
    "WorkerStatus",
]
