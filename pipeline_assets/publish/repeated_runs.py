"""Runs that repeat what may be done already: backfills that are started again, and retries."""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from pipeline_assets.dagster_internals import BACKFILL_ID_TAG
from pipeline_assets.publish.staging import AlreadyPublished

RETRY_OF_TAG: Final = "pipeline/retry_of"
"""The id of the run that a sensor tries again."""


def is_repeat(context: dg.AssetExecutionContext) -> bool:
    """Whether the run is part of a backfill, or tries again what a run or step before it tried.

    Any other run was launched by somebody who wants the partitions computed.
    """
    is_retry = context.run.parent_run_id is not None or context.retry_number > 0
    return is_retry or bool({BACKFILL_ID_TAG, RETRY_OF_TAG} & context.run.tags.keys())


def checks_of(
    asset: dg.AssetKey, done: AlreadyPublished, instance: dg.DagsterInstance
) -> Iterator[dg.AssetCheckResult]:
    """The results of the checks when partitions were published; one failure is a failure.

    Results are missing where Dagster has forgotten the run.
    """
    found: dict[str, dg.AssetCheckEvaluation] = {}
    for run_id in sorted({record.run_id for record in done.records.values()}):
        for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
            evaluation = entry.get_dagster_event().asset_check_evaluation_data
            known = found.get(evaluation.check_name)
            if evaluation.asset_key == asset and (known is None or known.passed):
                found[evaluation.check_name] = evaluation
    for name, evaluation in found.items():
        yield dg.AssetCheckResult(
            passed=evaluation.passed,
            check_name=name,
            severity=evaluation.severity,
            description=evaluation.description,
            metadata=evaluation.metadata,
        )
