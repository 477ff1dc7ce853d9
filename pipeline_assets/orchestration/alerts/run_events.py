"""How a run has ended: what the alert sensor reports, and what decides about a retry."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
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
from pipeline_assets.orchestration.divided_ranges import DIVIDED_TAG, fate_of
from pipeline_assets.publish.contract_check import CONTRACT, shown_rules
from pipeline_assets.publish.failures import root_message

RETRY_NUMBER_TAG: Final = "pipeline/retry_number"
"""Run tag: how many retries of the retry sensor came before."""


def run_outcome(
    instance: dg.DagsterInstance, run: dg.DagsterRun, waits: Sequence[float] = ()
) -> RunOutcome:
    """How a run has ended.

    Args:
        instance: The instance that holds its events.
        run: The run.
        waits: Seconds to wait before each retry of a failed run.
    """
    entries = instance.all_logs(
        run.run_id,
        of_type={dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.STEP_FAILURE},
    )
    events = [entry.get_dagster_event() for entry in entries]
    faults = {
        str(event.step_key): root_message(event.step_failure_data.error)
        for event in events
        if event.is_step_failure
    }
    number = retry_number(run)
    evaluated = (event for event in events if not event.is_step_failure)
    outcomes = [outcome for event in evaluated for outcome in _outcomes(event)]
    fate = fate_of(instance, run, faults)
    # Both halves of a range that is divided no further tell the same fault, as one of the whole.
    told = instance.get_run_by_id(run.tags[DIVIDED_TAG]) if fate.kind == "whole" else None
    return RunOutcome(
        run_id=run.run_id,
        subject=", ".join(step.replace("__", "/") for step in faults) or run.job_name,
        partition=_partition((told or run).tags),
        failed=run.status == dg.DagsterRunStatus.FAILURE and run.tags.get(WILL_RETRY_TAG) != "true",
        faults=faults,
        # A step that Dagster retries evaluates its checks again: the last outcome counts.
        checks=tuple({(it.asset, it.check, it.rule): it for it in outcomes}.values()),
        number=number,
        waits=tuple(waits[number:]) if is_automatic(run) else (),
        is_divided=not fate.is_final,
    )


def is_automatic(run: dg.DagsterRun) -> bool:
    """Whether a sensor or an automation condition has started the run, so nobody watches it."""
    started_by = {SENSOR_NAME_TAG, AUTOMATION_CONDITION_TAG} & run.tags.keys()
    return bool(started_by and run.asset_selection)


def retry_number(run: dg.DagsterRun) -> int:
    """How many retries of the retry sensor came before the run."""
    return int(run.tags.get(RETRY_NUMBER_TAG, 0))


def _outcomes(event: dg.DagsterEvent) -> Iterator[CheckOutcome]:
    """One outcome; of a contract's check one for each rule, so that people hear of each."""
    evaluation = event.asset_check_evaluation_data
    counted = evaluation.metadata.get("failed_rows")
    outcome = CheckOutcome(
        asset=evaluation.asset_key.to_user_string(),
        check=evaluation.check_name,
        step=str(event.step_key),
        passed=evaluation.passed,
        is_error=evaluation.severity == dg.AssetCheckSeverity.ERROR,
        description=evaluation.description or "",
        failed_rows=counted.value if isinstance(counted, dg.IntMetadataValue) else None,
    )
    rules = shown_rules(evaluation.metadata) if outcome.check == CONTRACT else []
    if not rules:
        yield outcome
    for row in rules:
        yield replace(
            outcome,
            rule=row["rule"],
            passed=not row["failed rows"],
            is_error=row["severity"] == "error",
            description=row["holds"],
            failed_rows=row["failed rows"],
        )


def _partition(tags: Mapping[str, str]) -> str:
    first, last = (
        tags.get(tag) for tag in (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
    )
    return f"{first}…{last}" if first and last else tags.get(PARTITION_NAME_TAG, "")
