"""What becomes of a failed run of several partitions.

The unit of failure is the partition. A range that fails is divided, by runs of its halves, until
only those partitions are left that fail by themselves; all others are published. An outage fails
every partition alike: after two divisions that have changed no message the fault counts as one of
the whole range, because asking for each partition would take hours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import dagster as dg

from pipeline_assets.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    MAX_RETRIES_TAG,
    PARTITION_NAME_TAG,
    WILL_RETRY_TAG,
)
from pipeline_assets.publish.failures import root_message

DIVIDED_TAG: Final = "pipeline/divided_from"
"""Run tag: the id of the failed run, one of whose halves the run materialises."""

UNCHANGED_TAG: Final = "pipeline/unchanged_divisions"
"""Run tag: how many divisions in a row before it have changed nothing about the faults."""

PARTITION_TAGS: Final = (
    PARTITION_NAME_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    ASSET_PARTITION_RANGE_END_TAG,
)
SAME_FAULT: Final = 2
"""After so many divisions that changed no message, a fault counts as one of the whole range."""


@dataclass(frozen=True)
class Fate:
    """What becomes of a failed run.

    Attributes:
        kind: ``single``, if it is no range that could be divided; ``divided``; ``undecided``, as
            long as its other half has not ended; ``whole``, if its fault is one of the whole range.
        unchanged: How many divisions in a row, with the one before it, have changed no fault.
    """

    kind: Literal["single", "divided", "undecided", "whole"]
    unchanged: int = 0

    @property
    def is_final(self) -> bool:
        """Whether no smaller run will tell more about what is wrong."""
        return self.kind in {"single", "whole"}


def range_tags(keys: Sequence[str]) -> dict[str, str]:
    """The tags by which Dagster knows a range of partitions; none for a single one."""
    if len(keys) < 2:
        return {}
    return {ASSET_PARTITION_RANGE_START_TAG: keys[0], ASSET_PARTITION_RANGE_END_TAG: keys[-1]}


def range_of(run: dg.DagsterRun) -> tuple[str, str] | None:
    """The first and the last partition of a run of several; None for any other run."""
    first, last = (run.tags.get(tag) for tag in PARTITION_TAGS[1:])
    return (first, last) if first is not None and last is not None and first != last else None


def may_be_divided(run: dg.DagsterRun) -> bool:
    """Whether a failed run is a range that nobody else tries again.

    ``update`` divides its ranges itself, and asks Dagster for no retries.
    """
    is_left_alone = run.tags.get(MAX_RETRIES_TAG) == "0" or run.tags.get(WILL_RETRY_TAG) == "true"
    is_failed = run.status == dg.DagsterRunStatus.FAILURE
    return is_failed and bool(range_of(run) and run.asset_selection) and not is_left_alone


def partition_tags(run: dg.DagsterRun) -> dict[str, str]:
    """The tags that say which partitions a run materialises."""
    return {tag: run.tags[tag] for tag in PARTITION_TAGS if tag in run.tags}


def step_faults(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """The error message of each failed step of a run; none if the run itself has crashed."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    events = (entry.get_dagster_event() for entry in entries)
    return {str(it.step_key): root_message(it.step_failure_data.error) for it in events}


def fate_of(instance: dg.DagsterInstance, run: dg.DagsterRun, faults: Mapping[str, str]) -> Fate:
    """What becomes of a failed run.

    Args:
        instance: Holds the run that it is a half of, and the other half.
        run: The run.
        faults: Its error message by failed step.
    """
    if not faults or not may_be_divided(run):
        return Fate("single")
    whole = run.tags.get(DIVIDED_TAG)
    if whole is None or step_faults(instance, whole) != faults:
        return Fate("divided")
    other = _other_half(instance, run, whole)
    if other is None or not other.is_finished:
        return Fate("undecided")
    if step_faults(instance, other.run_id) != faults:
        return Fate("divided")
    unchanged = int(run.tags.get(UNCHANGED_TAG, 0)) + 1
    return Fate("whole" if unchanged == SAME_FAULT else "divided", unchanged)


def _other_half(
    instance: dg.DagsterInstance, run: dg.DagsterRun, whole: str
) -> dg.DagsterRun | None:
    """The run of the other half; the last one, should Dagster have tried it again."""
    halves = instance.get_runs(dg.RunsFilter(tags={DIVIDED_TAG: whole}))
    return next((it for it in halves if partition_tags(it) != partition_tags(run)), None)
