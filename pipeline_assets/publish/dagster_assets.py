"""From lake assets to Dagster assets: the one place where the two meet."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.contract import Check
from pipeline_assets.dataset.values.config import Fields, with_defaults
from pipeline_assets.dataset.values.table import WHOLE_TABLE, LakeTable
from pipeline_assets.profiles.drift import Drift, drift_of
from pipeline_assets.profiles.profiles import ColumnProfile
from pipeline_assets.publish.attempt import Request
from pipeline_assets.publish.contract_check import (
    CONTRACT,
    contract_result,
    contract_rules,
    contract_spec,
)
from pipeline_assets.publish.delivery_check import (
    ACCEPT_TAG,
    DELIVERY,
    counts_of,
    delivery_result,
    delivery_spec,
    refuse_delivery,
)
from pipeline_assets.publish.failures import dagster_failures
from pipeline_assets.publish.metadata import (
    check_metadata,
    config_metadata,
    definition_metadata,
    drift_metadata,
    partition_metadata,
    staged_metadata,
)
from pipeline_assets.publish.repeated_runs import checks_of, is_repeat
from pipeline_assets.publish.run_config import DECLARED_TAG, given_fields, run_config
from pipeline_assets.publish.staging import AlreadyPublished, Staged, Stager
from pipeline_assets.staleness.versions import code_version

if TYPE_CHECKING:
    from pipeline_assets.iceberg.tables import Lake

LIKE_BEFORE: Final = "like_before"
_NAMED: Final = 3
_DRIFT: Final = (
    "Rows, nulls, classes, means and deviations are like those of the partitions before."
)
IO_RETRIES = dg.RetryPolicy(max_retries=2, delay=1, backoff=dg.Backoff.EXPONENTIAL)


@dataclass(frozen=True)
class Policies:
    """What is applied to every asset alike, chosen by the asset."""

    freshness: Callable[[LakeAsset], dg.FreshnessPolicy | None]
    automation: Callable[[LakeAsset], dg.AutomationCondition[Any] | None]
    kinds: Callable[[LakeAsset], set[str]]
    tags: Callable[[LakeAsset], Mapping[str, str]]
    pool: Callable[[LakeAsset], str]


def dagster_asset(
    asset: LakeAsset, tables: Mapping[str, LakeTable], policies: Policies
) -> dg.AssetsDefinition:
    """Build the Dagster asset whose body stages and whose output publishes.

    Raises:
        ValueError: The function's expression does not have the contract's columns.
    """
    version = code_version(asset, tables)
    with warnings.catch_warnings():
        # Backfill policies are still called beta; we rely on them knowingly.
        warnings.simplefilter("ignore", dg.BetaWarning)
        decorate = dg.asset(
            key=asset.key,
            ins={spec.name: spec.asset_in() for spec in asset.inputs},
            description=asset.description,
            group_name=asset.table.namespace,
            owners=list(asset.owners),
            kinds=policies.kinds(asset),
            pool=policies.pool(asset),
            tags={**policies.tags(asset), **(asset.tags or {})},
            metadata=definition_metadata(asset),
            partitions_def=asset.partitioning.definition if asset.partitioning else None,
            check_specs=[
                contract_spec(asset),
                *(_check_spec(asset, check) for check in asset.checks),
                *delivery_spec(asset),
                dg.AssetCheckSpec(LIKE_BEFORE, asset=asset.key, description=_DRIFT),
            ],
            io_manager_key="lake_io_manager",
            required_resource_keys={"stager"},
            code_version=version,
            backfill_policy=_backfill_policy(asset),
            retry_policy=IO_RETRIES,
            freshness_policy=policies.freshness(asset),
            automation_condition=policies.automation(asset),
        )
        return decorate(_body(asset, tables))


def _backfill_policy(asset: LakeAsset) -> dg.BackfillPolicy | None:
    """Dagster refuses one that splits into runs for an asset without partitions."""
    return dg.BackfillPolicy.multi_run(asset.partitions_of_a_run) if asset.partitioning else None


def _check_spec(asset: LakeAsset, check: Check) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        check.name,
        asset=asset.key,
        description=check.description,
        blocking=check.severity == "error",
    )


def _body(asset: LakeAsset, tables: Mapping[str, LakeTable]) -> Callable[..., Iterator[Any]]:
    config_type = asset.config_type
    if config_type is None:

        def plain(context: dg.AssetExecutionContext, **inputs: Any) -> Iterator[Any]:  # noqa: ANN401
            yield from _execute(asset, tables, context, inputs, {})

        return plain
    shown = with_defaults(config_type, asset.declared.fields)

    def configured(
        context: dg.AssetExecutionContext,
        config: shown,  # type: ignore[valid-type]
        **inputs: Any,  # noqa: ANN401
    ) -> Iterator[Any]:
        yield from _execute(asset, tables, context, inputs, given_fields(context, config))

    return configured


def _execute(
    asset: LakeAsset,
    tables: Mapping[str, LakeTable],
    context: dg.AssetExecutionContext,
    inputs: Mapping[str, Any],
    given: Fields,
) -> Iterator[Any]:
    """Stage; report every check; then fail, or hand over to the IO manager."""
    keys = tuple(context.partition_keys) if asset.partitioning else ()
    stager: Stager = context.resources.stager
    with dagster_failures(keys):
        request = _request(asset, tables, context, keys, given)
        attempt = stager.attempt(asset, inputs, request)
        done = stager.already_published(attempt) if is_repeat(context) else None
        carried = list(checks_of(asset.key, done, context.instance)) if done else []
    if done and {check.check_name for check in carried} == set(_check_names(asset)):
        yield from _carried_over(context, done, carried)
        return
    with dagster_failures(keys):
        staged = stager.stage(attempt)
    # The IO manager publishes while this function waits in the middle of its last yield.
    with staged.discarded_on_failure():
        yield from _check_results(asset, staged)
        _refuse_broken(asset, staged)
        with dagster_failures():
            counts = counts_of(asset, tables, stager.lake, staged)
        is_accepted = ACCEPT_TAG in context.run.tags
        if asset.delivery:
            yield delivery_result(asset, counts, accepted=is_accepted)
        if not is_accepted:
            refuse_delivery(asset, counts)
        with dagster_failures():
            yield _drift_result(asset, stager.lake, staged.profiles)
        for key in keys:
            profile = staged.profiles.get(key, ())
            metadata = partition_metadata(asset, staged.records[key], profile)
            context.add_asset_metadata(metadata, partition_key=key)
        yield dg.Output(
            staged,
            metadata={
                **staged_metadata(asset, staged),
                **config_metadata(request.plain_config, request.override),
            },
            data_version=dg.DataVersion(staged.version),
        )


def _request(
    asset: LakeAsset,
    tables: Mapping[str, LakeTable],
    context: dg.AssetExecutionContext,
    keys: tuple[str, ...],
    given: Fields,
) -> Request:
    record, key = None, keys[0] if keys else WHOLE_TABLE
    if asset.config_type and DECLARED_TAG not in context.run.tags:
        stager: Stager = context.resources.stager
        record = stager.lake.records(asset.table).get(key)
    used = run_config(asset, key, given, record)
    version = code_version(asset, tables, used.config)
    return Request(keys, context.run.run_id, version, used.config, context.log.info, used.override)


def _check_names(asset: LakeAsset) -> list[str]:
    own = [check.name for check in asset.checks]
    return [CONTRACT, *own, *([DELIVERY] if asset.delivery else []), LIKE_BEFORE]


def _carried_over(
    context: dg.AssetExecutionContext,
    done: AlreadyPublished,
    checks: Iterable[dg.AssetCheckResult],
) -> Iterator[Any]:
    """Report what an earlier run published as the result of this one, with its checks."""
    runs = ", ".join(sorted({record.run_id for record in done.records.values()}))
    context.log.info(f"Already published from the same inputs, by run {runs}: nothing is computed")
    yield from checks
    for key in done.records if context.has_partition_key or context.has_partition_key_range else ():
        context.add_asset_metadata(
            {"dagster/partition_row_count": done.records[key].rows}, partition_key=key
        )
    yield dg.Output(
        done,
        metadata={"already_published_by": runs},
        data_version=dg.DataVersion(done.version),
    )


def _check_results(asset: LakeAsset, staged: Staged) -> Iterator[dg.AssetCheckResult]:
    audits = {result.name: result for result in staged.manifest.audits}
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


def _drift_result(
    asset: LakeAsset, lake: "Lake", profiles: Mapping[str, Sequence[ColumnProfile]]
) -> dg.AssetCheckResult:
    """Only warns: what is new may well be right."""
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
    return f"{_DRIFT.rstrip('.')}; these are not: {', '.join([*named, *more])}"


def _refuse_broken(asset: LakeAsset, staged: Staged) -> None:
    severities = {check.name: check.severity for check in (*contract_rules(asset), *asset.checks)}
    broken = [
        f"{result.name} ({result.failed:,} rows)"
        for result in staged.manifest.audits
        if result.failed and severities[result.name] == "error"
    ]
    if broken:
        raise dg.Failure(
            f"{asset.table} is not published, its audit failed: {', '.join(broken)}",
            metadata={
                result.name: dg.MetadataValue.json([dict(row) for row in result.examples])
                for result in staged.manifest.audits
                if result.examples
            },
            allow_retries=False,
        )
