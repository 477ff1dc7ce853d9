"""The rules of a contract as one asset check, whose page lists them in a table.

The audit stays one count for each rule. A check for each rule on an asset's page would bury the few
that its author has named.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.contract import Check
from pipeline_assets.publish.asset_audit import partition_checks
from pipeline_assets.publish.job_metadata import Metadata
from pipeline_assets.publish.metadata import metadata_table, told_row
from spark_resources.job import AuditResult

CONTRACT: Final = "contract"
_TABLE: Final = "rules"
_DESCRIPTION: Final = (
    "Columns hold what the contract declares, and rows lie in the partitions that were asked for."
)


def contract_rules(asset: LakeAsset) -> tuple[Check, ...]:
    """What the check covers: all that nobody wrote as a check of its own."""
    return (*asset.table.contract.checks, *partition_checks(asset, ()))


def contract_spec(asset: LakeAsset) -> dg.AssetCheckSpec:
    """The check for Dagster. It blocks where a rule that is an error is broken."""
    return dg.AssetCheckSpec(CONTRACT, asset=asset.key, description=_DESCRIPTION, blocking=True)


def contract_result(asset: LakeAsset, audits: Mapping[str, AuditResult]) -> dg.AssetCheckResult:
    """How the check ended.

    Args:
        asset: Its asset.
        audits: What was counted, by the name of the rule.
    """
    counted = [(rule, audits[rule.name]) for rule in contract_rules(asset)]
    broken = [(rule, audit) for rule, audit in counted if audit.failed]
    is_error = any(rule.severity == "error" for rule, _ in broken) or not broken
    return dg.AssetCheckResult(
        passed=not broken,
        check_name=CONTRACT,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        description=_told(broken),
        metadata=_metadata(counted, broken),
    )


def shown_rules(metadata: Mapping[str, dg.MetadataValue[Any]]) -> list[Mapping[str, Any]]:
    """The rows of the check's table: `rule`, `holds`, `severity` and `failed rows` of each rule."""
    table = metadata.get(_TABLE)
    return [row.data for row in table.records] if isinstance(table, dg.TableMetadataValue) else []


def _told(broken: Iterable[tuple[Check, AuditResult]]) -> str | None:
    """Each broken rule and how many rows break it."""
    return (
        "; ".join(
            f"{rule.description.rstrip('.')} ({audit.failed:,} rows do not)"
            for rule, audit in broken
        )
        or None
    )


def _metadata(
    counted: Iterable[tuple[Check, AuditResult]], broken: Iterable[tuple[Check, AuditResult]]
) -> Metadata:
    rows = [
        {
            "column": ", ".join(rule.columns),
            "rule": rule.name,
            "holds": rule.description,
            "severity": rule.severity,
            "failed rows": audit.failed,
            "examples": "; ".join(map(told_row, audit.examples)),
        }
        for rule, audit in counted
    ]
    return {
        _TABLE: metadata_table(rows),
        **{
            f"examples/{rule.name}": metadata_table(audit.examples)
            for rule, audit in broken
            if audit.examples
        },
    }
