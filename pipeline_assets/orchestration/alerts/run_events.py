"""How a run has ended, as far as people are told of it and it is tried again."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import dagster as dg

from pipeline_assets.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    AUTOMATION_CONDITION_TAG,
    PARTITION_NAME_TAG,
    SENSOR_NAME_TAG,
    WILL_RETRY_TAG,
)
from pipeline_assets.orchestration.alerts.incidents import CheckOutcome, RunOutcome
from pipeline_assets.publish.failures import root_message

RETRY_NUMBER_TAG: Final = "pipeline/retry_number"
"""How often what the run should make was tried before."""

_TELLING: Final = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
}


def run_outcome(
    instance: dg.DagsterInstance, run: dg.DagsterRun, waits: Sequence[float] = ()
) -> RunOutcome:
    """How a run has ended.

    Args:
        instance: Knows its events.
        run: The run.
        waits: Before each further try of a failed run, in seconds.
    """
    told = instance.all_logs(run.run_id, of_type=_TELLING)
    events = [entry.get_dagster_event() for entry in told]
    faults = {
        str(event.step_key): root_message(event.step_failure_data.error)
        for event in events
        if event.is_step_failure
    }
    number = retry_number(run)
    return RunOutcome(
        run_id=run.run_id,
        what=", ".join(step.replace("__", "/") for step in faults) or run.job_name,
        partition=_partition(run.tags),
        failed=run.status == dg.DagsterRunStatus.FAILURE and run.tags.get(WILL_RETRY_TAG) != "true",
        faults=faults,
        checks=_outcomes(event for event in events if not event.is_step_failure),
        number=number,
        waits=tuple(waits[number:]) if is_automatic(run) else (),
    )


def is_automatic(run: dg.DagsterRun) -> bool:
    """Whether a sensor or a condition has started it, and nobody waits for its end."""
    started_by = {SENSOR_NAME_TAG, AUTOMATION_CONDITION_TAG} & run.tags.keys()
    return bool(started_by and run.asset_selection)


def retry_number(run: dg.DagsterRun) -> int:
    """How often what it should make was tried before."""
    return int(run.tags.get(RETRY_NUMBER_TAG, 0))


def _outcomes(events: Iterable[dg.DagsterEvent]) -> tuple[CheckOutcome, ...]:
    """The last one of each check: a step that is tried again evaluates its checks again."""
    outcomes = map(_outcome, events)
    return tuple({(outcome.asset, outcome.check): outcome for outcome in outcomes}.values())


def _outcome(event: dg.DagsterEvent) -> CheckOutcome:
    evaluation = event.asset_check_evaluation_data
    counted = evaluation.metadata.get("failed_rows")
    return CheckOutcome(
        asset=evaluation.asset_key.to_user_string(),
        check=evaluation.check_name,
        step=str(event.step_key),
        passed=evaluation.passed,
        is_error=evaluation.severity == dg.AssetCheckSeverity.ERROR,
        description=evaluation.description or "",
        failed_rows=counted.value if isinstance(counted, dg.IntMetadataValue) else None,
    )


def _partition(tags: Mapping[str, str]) -> str:
    first, last = (
        tags.get(tag) for tag in (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
    )
    return f"{first}…{last}" if first and last else tags.get(PARTITION_NAME_TAG, "")
