"""Checks that compare a published table with another one: asset checks of their own.

What a function reads is what its asset depends on. A warning that looks at a further table would
otherwise make that table an input: assets would wait for each other, and a change of the one would
make the other stale.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.binding.policies import Policies
from pipeline_assets.dataset.comparison import Comparison
from pipeline_assets.publish.dagster_assets import IO_RETRIES
from pipeline_assets.publish.failures import dagster_failures
from pipeline_assets.publish.metadata import check_metadata
from pipeline_assets.publish.published_checks import PUBLISHED, PublishedChecks


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
        required_resource_keys={"published_checks"},
        retry_policy=IO_RETRIES,
        pool=pool,
    )(_body(asset, comparison))


def _body(asset: LakeAsset, comparison: Comparison) -> Any:  # noqa: ANN401 - what Dagster decorates
    def evaluate(context: dg.AssetCheckExecutionContext, **inputs: Any) -> Any:  # noqa: ANN401
        published: PublishedChecks = context.resources.published_checks
        with dagster_failures():
            found = published.evaluate(asset, [comparison.check], inputs, context.log.info)
        (result,) = found.values()
        return dg.AssetCheckResult(
            passed=result.failed == 0,
            asset_key=asset.key,
            check_name=result.name,
            severity=dg.AssetCheckSeverity.WARN,
            description=comparison.check.description if result.failed else None,
            metadata=check_metadata(result),
        )

    return evaluate
