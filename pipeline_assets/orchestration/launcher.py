"""Launching runs so that one that was killed is noticed.

Dagster's default launcher starts runs as processes beside the code server and never looks at them
again: after a crash of the machine, or of ``dagster dev``, a run stays *started* for ever and keeps
its place in the queue. This one lets run monitoring ask whether the process is still there.
"""

import json
import os
from typing import Final

import dagster as dg

from pipeline_assets.dagster_internals import (
    GRPC_INFO_TAG,
    CheckRunHealthResult,
    DefaultRunLauncher,
    WorkerStatus,
)

_LOCAL: Final = frozenset({"localhost", "127.0.0.1"})


class WatchingRunLauncher(DefaultRunLauncher):
    """The default launcher, for code servers on the daemon's machine, that can tell a dead run."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It does, unlike the default launcher."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process is there; of runs that others started nothing is known."""
        pid = _pid(self._instance, run.run_id) if _is_here(run) else None
        if pid is None or _is_alive(pid):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"process {pid} is gone")


def _is_here(run: dg.DagsterRun) -> bool:
    server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    return server.get("host") in _LOCAL


def _pid(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """As the process said itself when it started."""
    told = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    found = [entry.get_dagster_event().engine_event_data.metadata.get("pid") for entry in told]
    pids = [int(str(value.value)) for value in found if value is not None]
    return pids[0] if pids else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
