"""Everything that is asked of what an asset wrote: checks, preview, pictures and profile."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.contract import Check
from pipeline_assets.dataset.values.dialect import Dialect
from pipeline_assets.profiles.profiles import profile_queries
from pipeline_assets.publish.audit import OUTPUT, build_audit
from spark_resources.job import Audit

PREVIEW: Final = "preview"
PREVIEW_ROWS: Final = 5


def audit_of(
    asset: LakeAsset, inputs: Mapping[str, ir.Table], keys: Sequence[str], dialect: Dialect
) -> Audit:
    """The audit of some partitions of an asset.

    Args:
        asset: The asset.
        inputs: Its input tables as they are stored, by name.
        keys: The partitions; none for a table without.
        dialect: The engine's.
    """
    output = ibis.table(asset.table.contract.schema, name=OUTPUT)
    checks = (*asset.all_checks, *partition_checks(asset, keys))
    plots = {
        plot.name: plot.table(output, *(inputs[name] for name in plot.inputs))
        for plot in asset.plots
    }
    measures, profile = profile_queries(output, asset.table, keys)
    reports = {PREVIEW: output.limit(PREVIEW_ROWS), **plots, **profile}
    return build_audit(output, inputs, checks, reports, dialect, measures)


def partition_checks(asset: LakeAsset, keys: Iterable[str]) -> list[Check]:
    """The check that nothing is written outside the partitions that were asked for."""
    column = asset.table.partition_column
    if column is None:
        return []
    return [
        Check(
            name="partition_as_requested",
            description=f"`{column}` is one of the partitions that were asked for.",
            severity="error",
            failing=lambda output: output.filter(
                ~output[column].cast("string").isin(list(keys)) | output[column].isnull()
            ),
            columns=(column,),
        )
    ]
