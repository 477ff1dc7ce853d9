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
    "InstanceRef",
    "PaginatedResults",
    "PersistedTimeWindow",
    "RegisteredCodeLocationOrigin",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "SerializableErrorInfo",
    "SqliteEventLogStorage",
    "SqliteRunStorage",
    "SqliteScheduleStorage",
    "TimeWindowFreshnessPolicy",
    "TimeWindowPartitionsSubset",
    "UnresolvedAssetJobDefinition",
    "WorkerStatus",
]


_STORAGE: Final[Mapping[str, str]] = {
    "DagsterSqliteStorage": "sqlite_storage",
    "INDEX_SHARD_NAME": "event_log.sqlite.sqlite_event_log",
    "SqliteEventLogStorage": "event_log",
    "SqliteRunStorage": "runs",
    "SqliteScheduleStorage": "schedules",
}
"""Modules of Dagster's storage by what they have of ours."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has
    """Import Dagster's storage when somebody asks for it: it needs SQLAlchemy, which takes long."""
    if name in _STORAGE:
        return getattr(import_module(f"dagster._core.storage.{_STORAGE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
