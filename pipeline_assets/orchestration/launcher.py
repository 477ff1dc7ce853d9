"""A run launcher that lets Dagster notice runs whose process was killed.

Dagster's default launcher starts each run as a process beside the code server and never asks for it
again. After a crash of the machine, or of ``dagster dev``, a run stays *started* for ever and keeps
its place in the queue. With this launcher, Dagster's run monitoring asks whether the process still
exists, and fails the run if it does not.
"""

import json
from typing import Final

import dagster as dg

from pipeline_assets.dagster_internals import (
    GRPC_INFO_TAG,
    CheckRunHealthResult,
    DefaultRunLauncher,
    WorkerStatus,
)
from pipeline_assets.orchestration.processes import is_alive, is_lost

_LOCAL: Final = frozenset({"localhost", "127.0.0.1"})


class WatchingRunLauncher(DefaultRunLauncher):
    """The default launcher with a health check, for code servers on the daemon's machine."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True, unlike for the default launcher."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process exists; one that was launched elsewhere counts as running."""
        record = self._instance.get_run_record_by_id(run.run_id)
        if record and is_lost(record):
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its update was killed")
        server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
        found = _process(self._instance, run.run_id) if server.get("host") in _LOCAL else None
        if found is None or is_alive(*found):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"process {found[0]} is gone")


def _process(instance: dg.DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """The id that the run's process reported when it started, and when that was."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if pid is not None:
            return int(str(pid.value)), entry.timestamp
    return None
