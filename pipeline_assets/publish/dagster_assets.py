"""From lake assets to Dagster assets: the one place where the two meet."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.binding.policies import Policies
from pipeline_assets.dataset.contract import Check
from pipeline_assets.dataset.values.config import Fields, with_defaults
from pipeline_assets.dataset.values.table import WHOLE_TABLE, LakeTable
from pipeline_assets.profiles.profiles import published_profiles
from pipeline_assets.publish.attempt import Request
from pipeline_assets.publish.checks.delivery import (
    ACCEPT_TAG,
    DELIVERY,
    counts_of,
    delivery_result,
    delivery_spec,
    refuse_delivery,
)
from pipeline_assets.publish.checks.results import DRIFT, LIKE_BEFORE, check_results, drift_result
from pipeline_assets.publish.contract_check import (
    CONTRACT,
    contract_rules,
    contract_spec,
)
from pipeline_assets.publish.failures import dagster_failures
from pipeline_assets.publish.io_managers import WITHDRAW_TAG, with_own
from pipeline_assets.publish.metadata import (
    config_metadata,
    definition_metadata,
    partition_metadata,
    staged_metadata,
)
from pipeline_assets.publish.published_checks import PublishedChecks
from pipeline_assets.publish.repeated_runs import checks_of, is_repeat
from pipeline_assets.publish.run_config import DECLARED_TAG, given_fields, run_config
from pipeline_assets.publish.staging import AlreadyPublished, Staged, Stager
from pipeline_assets.staleness.audits import audit_version
from pipeline_assets.staleness.versions import code_version

RESULT: Final = "result"
IO_RETRIES = dg.RetryPolicy(max_retries=2, delay=1, backoff=dg.Backoff.EXPONENTIAL)


def dagster_asset(
    asset: LakeAsset,
    tables: Mapping[str, LakeTable],
    policies: Policies,
    known_version: str | None = None,
) -> dg.AssetsDefinition:
    """Build the Dagster asset whose body stages and whose output publishes.

    Raises:
        DeclarationError: The function's expression is not what the contract promises.
    """
    version = known_version or code_version(asset, tables)
    with warnings.catch_warnings():
        # Backfill policies are still called beta; we rely on them knowingly.
        warnings.simplefilter("ignore", dg.BetaWarning)
        output = dg.AssetOut(
            key=asset.key,
            description=asset.description,
            # A run of checks alone audits what is published, and has no output.
            is_required=False,
            io_manager_key="lake_io_manager",
            metadata=definition_metadata(asset),
            group_name=asset.table.namespace,
            code_version=version,
            freshness_policy=policies.freshness(asset),
            automation_condition=policies.automation(asset),
            owners=list(asset.owners),
            tags=policies.tags(asset),
            kinds=policies.kinds(asset),
        )
        decorate = dg.multi_asset(
            name="__".join(asset.key.path),
            ins={spec.name: spec.asset_in() for spec in asset.inputs},
            outs={RESULT: output},
            description=asset.description,
            pool=policies.pool(asset),
            partitions_def=asset.partitioning.definition if asset.partitioning else None,
            check_specs=[
                contract_spec(asset),
                *(_check_spec(asset, check) for check in asset.checks),
                *delivery_spec(asset),
                dg.AssetCheckSpec(LIKE_BEFORE, asset=asset.key, description=DRIFT),
            ],
            can_subset=True,
            required_resource_keys={"stager"},
            backfill_policy=_backfill_policy(asset),
            retry_policy=IO_RETRIES,
        )
        return decorate(_body(asset, tables, version))


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


def _body(
    asset: LakeAsset, tables: Mapping[str, LakeTable], version: str
) -> Callable[..., Iterator[Any]]:
    config_type = asset.config_type
    if config_type is None:

        def plain(context: dg.AssetExecutionContext, **inputs: Any) -> Iterator[Any]:  # noqa: ANN401
            yield from _execute(asset, tables, version, context, inputs, {})

        return plain
    shown = with_defaults(config_type, asset.declared.fields)

    def configured(
        context: dg.AssetExecutionContext,
        config: shown,  # type: ignore[valid-type]
        **inputs: Any,  # noqa: ANN401
    ) -> Iterator[Any]:
        yield from _execute(asset, tables, version, context, inputs, given_fields(context, config))

    return configured


def _execute(
    asset: LakeAsset,
    tables: Mapping[str, LakeTable],
    version: str,
    context: dg.AssetExecutionContext,
    inputs: Mapping[str, Any],
    given: Fields,
) -> Iterator[Any]:
    """Stage; report every check; then fail, or hand over to the IO manager."""
    if RESULT not in context.op_execution_context.selected_output_names:
        yield from _audit_again(asset, tables, context)
        return
    keys = tuple(context.partition_keys) if asset.partitioning else ()
    stager: Stager = context.resources.stager
    with dagster_failures(keys):
        request = _request(asset, tables, version, context, keys, given)
        attempt = stager.attempt(asset, with_own(stager.lake, asset, inputs), request)
        # What only runs with own config make is the same whenever the config is.
        may_be_done = is_repeat(context) or asset.keeps_newest
        done = stager.already_published(attempt) if may_be_done else None
        carried = list(checks_of(asset.key, done, context.instance)) if done else []
    if done and {check.check_name for check in carried} == set(_check_names(asset)):
        yield from _carried_over(context, done, carried)
        return
    with dagster_failures(keys):
        staged = stager.stage(attempt)
    with staged.discarded_on_failure():
        yield from check_results(asset, {it.name: it for it in staged.manifest.audits})
        _refuse_broken(asset, staged)
        with dagster_failures():
            counts = counts_of(asset, tables, stager.lake, staged)
        is_accepted = bool({ACCEPT_TAG, WITHDRAW_TAG} & set(context.run.tags))
        if asset.delivery:
            yield delivery_result(asset, counts, accepted=is_accepted)
        if not is_accepted:
            refuse_delivery(asset, counts)
        with dagster_failures():
            yield drift_result(asset, stager.lake, staged.profiles)
        for key in keys:
            profile = staged.profiles.get(key, ())
            metadata = partition_metadata(asset, staged.records[key], profile)
            context.add_asset_metadata(metadata, partition_key=key)
    # The IO manager publishes while this function waits here, and takes back itself what it cannot.
    yield dg.Output(
        staged,
        RESULT,
        metadata={
            **staged_metadata(asset, staged),
            **config_metadata(request.plain_config, request.override),
        },
        data_version=dg.DataVersion(staged.version),
    )


def _request(
    asset: LakeAsset,
    tables: Mapping[str, LakeTable],
    version: str,
    context: dg.AssetExecutionContext,
    keys: tuple[str, ...],
    given: Fields,
) -> Request:
    record, key = None, keys[0] if keys else WHOLE_TABLE
    if asset.config_type and DECLARED_TAG not in context.run.tags:
        stager: Stager = context.resources.stager
        record = stager.lake.records(asset.table).get(key)
    used = run_config(asset, key, given, record)
    return Request(
        keys=keys,
        run_id=context.run.run_id,
        # Without config the version is that of the definition: no expression is built again.
        code_version=code_version(asset, tables, used.config) if used.config else version,
        config=used.config,
        log=context.log.info,
        override=used.override,
        audit_version=audit_version(asset, tables),
    )


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
        RESULT,
        metadata={"already_published_by": runs},
        data_version=dg.DataVersion(done.version),
    )


def _audit_again(
    asset: LakeAsset, tables: Mapping[str, LakeTable], context: dg.AssetExecutionContext
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate checks on what is published; that of drift, on what was published last."""
    stager: Stager = context.resources.stager
    asked = {key.name for key in context.selected_asset_check_keys}
    with dagster_failures():
        published = PublishedChecks(stager.lake, stager.store, stager.engines)
        audits = published.audit_again(asset, tables, context.log.info)
        found = [each for each in check_results(asset, audits) if each.check_name in asked]
        if LIKE_BEFORE in asked:
            records = stager.lake.records(asset.table)
            last = sorted(records, key=lambda key: records[key].published_at)[-1:]
            chosen = {key: records[key] for key in last}
            profiles = published_profiles(stager.lake, asset.table, chosen)
            found.append(drift_result(asset, stager.lake, profiles))
        if DELIVERY in asked:
            # It judges what arrives; what is published has been judged, or accepted.
            found.append(dg.AssetCheckResult(passed=True, check_name=DELIVERY))
    yield from found


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
