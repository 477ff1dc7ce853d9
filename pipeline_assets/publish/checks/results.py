"""What audits and profiles say, as results of Dagster's checks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.profiles.drift import Drift, drift_of
from pipeline_assets.profiles.profiles import ColumnProfile
from pipeline_assets.publish.contract_check import contract_result
from pipeline_assets.publish.metadata import check_metadata, drift_metadata
from spark_resources.job import AuditResult

if TYPE_CHECKING:
    from pipeline_assets.iceberg.tables import Lake

LIKE_BEFORE: Final = "like_before"
DRIFT: Final = "Rows, nulls, classes, means and deviations are like those of the partitions before."
_NAMED: Final = 3


def check_results(
    asset: LakeAsset, audits: Mapping[str, AuditResult]
) -> Iterator[dg.AssetCheckResult]:
    """How the contract and the asset's own checks ended, by what was counted for each."""
    yield contract_result(asset, audits)
    for check in asset.checks:
        result = audits[check.name]
        is_error = check.severity == "error"
        yield dg.AssetCheckResult(
            passed=result.failed == 0,
            check_name=result.name,
            severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
            description=check.description if result.failed else None,  # alerts tell it
            metadata=check_metadata(result),
        )


def drift_result(
    asset: LakeAsset, lake: "Lake", profiles: Mapping[str, Sequence[ColumnProfile]]
) -> dg.AssetCheckResult:
    """How profiles differ from those before; it only warns, for what is new may well be right.

    Raises:
        PipelineError: The lake cannot be read.
    """
    found, compared = drift_of(asset, lake, profiles)
    return dg.AssetCheckResult(
        passed=not found,
        check_name=LIKE_BEFORE,
        severity=dg.AssetCheckSeverity.WARN,
        description=_drifted(found) if found else None,
        metadata=drift_metadata(found, compared),
    )


def _drifted(found: Sequence[Drift]) -> str:
    named = [f"{it.measure} {it.now:,.4g} after {it.before:,.4g}" for it in found[:_NAMED]]
    more = [f"{len(found) - _NAMED} more"] if len(found) > _NAMED else []
    return f"{DRIFT.rstrip('.')}; these are not: {', '.join([*named, *more])}"
