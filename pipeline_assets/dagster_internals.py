"""Every name of Dagster's private modules that this project uses, in one place.

Dagster may move them in any release; whoever lifts its version looks here first. A test keeps such
imports out of all other modules.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.freshness import CronFreshnessPolicy, TimeWindowFreshnessPolicy
from dagster._core.definitions.partitions.subset import TimeWindowPartitionsSubset
from dagster._core.definitions.partitions.utils import PersistedTimeWindow
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events.log import EventLogEntry
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

if TYPE_CHECKING:
    from dagster._core.execution.context.system import PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan
    from dagster._core.execution.retries import RetryMode
    from dagster._core.executor.multiprocess import MultiprocessExecutor
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
        INDEX_SHARD_NAME,
        SqliteEventLogStorage,
    )
    from dagster._core.storage.runs import SqliteRunStorage
    from dagster._core.storage.schedules import SqliteScheduleStorage
    from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "AUTOMATION_CONDITION_TAG",
    "BACKFILL_ID_TAG",
    "DATA_VERSION_TAG",
    "GRPC_INFO_TAG",
    "INDEX_SHARD_NAME",
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
    "DagsterSqliteStorage",
    "DefaultRunLauncher",
    "DynamicPartitionsStore",
    "EventLogEntry",
    "ExecutionPlan",
    "InstanceRef",
    "MultiprocessExecutor",
    "PaginatedResults",
    "PersistedTimeWindow",
    "PlanOrchestrationContext",
    "RegisteredCodeLocationOrigin",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "RetryMode",
    "SerializableErrorInfo",
    "SqliteEventLogStorage",
    "SqliteRunStorage",
    "SqliteScheduleStorage",
    "TimeWindowFreshnessPolicy",
    "TimeWindowPartitionsSubset",
    "UnresolvedAssetJobDefinition",
    "WorkerStatus",
]


_LATER: Final[Mapping[str, str]] = {
    "DagsterSqliteStorage": "storage.sqlite_storage",
    "ExecutionPlan": "execution.plan.plan",
    "INDEX_SHARD_NAME": "storage.event_log.sqlite.sqlite_event_log",
    "MultiprocessExecutor": "executor.multiprocess",
    "PlanOrchestrationContext": "execution.context.system",
    "RetryMode": "execution.retries",
    "SqliteEventLogStorage": "storage.event_log",
    "SqliteRunStorage": "storage.runs",
    "SqliteScheduleStorage": "storage.schedules",
}
"""Modules that take long to import, by their names that we use."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has
    """Import when somebody asks: Dagster's storage needs SQLAlchemy, its executors much else."""
    if name in _LATER:
        return getattr(import_module(f"dagster._core.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
