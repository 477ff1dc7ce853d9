"""Steps in processes of their own, which are forked from the process of their run.

That process has imported everything and built the definitions. Dagster's own executor starts a
further process to fork steps from, which does all of that once more.

A fork copies what the run's process has open, and locks that its other threads hold. It has opened
nothing but Dagster's storage, whose SQLite databases are closed before each fork
(:class:`pipeline_assets.orchestration.sqlite_storage.OpenEventLog`), and Postgres is connected to
anew for each statement. Its threads, if the UI has started the run, wait for a word to stop. Where
libraries of the system cannot bear a fork, as on a Mac, steps are started as Dagster does.
"""

import gc
from collections.abc import Iterator
from importlib import import_module
from typing import Final

import dagster as dg

from pipeline_assets.dagster_internals import (
    ExecutionPlan,
    MultiprocessExecutor,
    PlanOrchestrationContext,
    RetryMode,
)

COMMON_TO_STEPS: Final = "pipeline_assets.fork_server"


class ForkedSteps(MultiprocessExecutor):
    """Dagster's executor with a process for each step, but for how a process is started."""

    def __init__(self) -> None:
        """As many steps at once as there are cores."""
        super().__init__(RetryMode.ENABLED, max_concurrent=None, start_method="fork")

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """Execute a run.

        Args:
            plan_context: As Dagster's.
            execution_plan: Its steps.
        """
        import_module(COMMON_TO_STEPS)
        # What is there already is no step's garbage, and a step that looked would copy all of it.
        gc.freeze()
        yield from super().execute(plan_context, execution_plan)
