"""Checks that compare a published table with another one: asset checks of their own.

What a function reads is what its asset depends on. A warning that looks at a further table would
otherwise make that table an input: assets would wait for each other, and a change of the one would
make the other stale.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.comparison import Comparison
from pipeline_assets.dataset.inputs import LazyTable
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.progress import Log
from pipeline_assets.engines.router import Engines
from pipeline_assets.publish.audit import build_audit
from pipeline_assets.publish.dagster_assets import IO_RETRIES, Policies
from pipeline_assets.publish.failures import dagster_failures
from pipeline_assets.publish.metadata import check_metadata
from spark_resources.job import AuditResult, Destination, Job, fresh_token

if TYPE_CHECKING:
    from pipeline_assets.iceberg.tables import Lake

PUBLISHED = "published"
"""The asset's own table among the inputs of its comparison."""
_NO_ROWS: Final = "SELECT 0 AS nothing WHERE FALSE"


@dataclass(frozen=True)
class Comparer:
    """Evaluates comparisons on the engine that computes the asset.

    Attributes:
        lake: Says where tables lie.
        store: What an engine leaves behind is removed from there.
        engines: Compute.
    """

    lake: "Lake"
    store: ObjectStore
    engines: Engines

    def compare(
        self, asset: LakeAsset, comparison: Comparison, inputs: dict[str, LazyTable], log: Log
    ) -> AuditResult:
        """Count the rows that break a promise between published tables.

        Args:
            asset: Whose promise.
            comparison: The promise.
            inputs: The tables by name, the asset's own as ``published``.
            log: Told about progress.

        Raises:
            PipelineError: The engine failed.
        """
        engine = self.engines.for_asset(asset.name)
        tables = {name: loaded.rows for name, loaded in inputs.items()}
        token = fresh_token()
        location = f"{self.lake.location(asset.table)}/data/{token}"
        job = Job(
            token=token,
            kind="query",
            inputs={it: at for loaded in inputs.values() for it, at in loaded.sources.items()},
            sql=_NO_ROWS,
            schema={"nothing": "long"},
            destination=Destination(location),
            audit=build_audit(tables[PUBLISHED], tables, [comparison.check], {}, engine.dialect),
            labels={"asset": asset.name, "check": comparison.check.name},
        )
        try:
            (result,) = engine.run(job, log).audits
        finally:
            left = [found.uri for found in self.store.list(location)]
            self.store.delete(left, below=self.lake.location(asset.table))
        return result


def comparison_checks(asset: LakeAsset, policies: Policies) -> Iterator[dg.AssetChecksDefinition]:
    """The Dagster asset checks that evaluate an asset's comparisons after it is published.

    They run in the pool of the asset's engine and are retried as the asset is.
    """
    for comparison in asset.comparisons:
        yield _asset_check(asset, comparison, policies.pool(asset))


def _asset_check(asset: LakeAsset, comparison: Comparison, pool: str) -> dg.AssetChecksDefinition:
    check = comparison.check
    read = {PUBLISHED: asset.key, **{each.name: each.key for each in comparison.inputs}}
    with warnings.catch_warnings():
        # Partitions of asset checks are still called a preview; a check reads what its run wrote.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        spec = dg.AssetCheckSpec(
            check.name,
            asset=asset.key,
            description=check.description,
            additional_deps=[each.key for each in comparison.inputs],
            partitions_def=asset.partitioning.definition if asset.partitioning else None,
        )
    return dg.multi_asset_check(
        name=f"{asset.table.namespace}__{asset.table.name}__{check.name}",
        specs=[spec],
        ins={name: dg.AssetIn(key) for name, key in read.items()},
        required_resource_keys={"comparer"},
        retry_policy=IO_RETRIES,
        pool=pool,
    )(_body(asset, comparison))


def _body(asset: LakeAsset, comparison: Comparison) -> Any:  # noqa: ANN401 - what Dagster decorates
    def evaluate(context: dg.AssetCheckExecutionContext, **inputs: Any) -> Any:  # noqa: ANN401
        comparer: Comparer = context.resources.comparer
        with dagster_failures():
            result = comparer.compare(asset, comparison, inputs, context.log.info)
        return dg.AssetCheckResult(
            passed=result.failed == 0,
            asset_key=asset.key,
            check_name=result.name,
            severity=dg.AssetCheckSeverity.WARN,
            description=comparison.check.description if result.failed else None,
            metadata=check_metadata(result),
        )

    return evaluate
