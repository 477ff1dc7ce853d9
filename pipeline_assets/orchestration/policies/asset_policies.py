"""The policies of all assets: freshness, automation condition, kinds and pool.

No asset declares these itself. They follow from what the asset is: an ingest, a table or an export,
and how it is partitioned.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeAlias

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.binding.policies import Policies
from pipeline_assets.dataset.values.database import OLTP, WIKIMEDIA
from pipeline_assets.engines.router import Engines
from pipeline_assets.orchestration.policies.freshness import freshness_of, layer_of

ASKING: Final = "0 5,17 * * *"
"""When a web API is asked what has come since; it answers by when its data were loaded."""
STILL_COMING: Final = timedelta(days=35)
"""For so long after a month has ended, the API may have something new of it."""
RENEWAL: Final = "0 4 1 * *"
"""When assets that do not follow their inputs are renewed: on the first of each month."""

SOURCES: Final[Mapping[str | None, str]] = {OLTP: "postgres", WIKIMEDIA: "wikimedia"}
"""The label of assets that read a system."""

Condition: TypeAlias = dg.AutomationCondition[Any]


def automation_of(asset: LakeAsset) -> Condition | None:
    """When an asset runs by itself: as soon as its inputs are new and have passed their audits."""
    # A sensor requests the runs of these; a second requester would run them twice.
    is_landed = not all(spec.is_table for spec in asset.inputs)
    if asset.kind == "ingest" and (is_landed or asset.keeps_newest):
        return None
    audited = _audited()
    if asset.kind == "ingest" and asset.inputs:
        return (_asking_again() & audited).with_label("twice_a_day_and_on_updates")
    if asset.refreshes_on_request:
        conditions = dg.AutomationCondition
        first: Condition = conditions.missing() & conditions.any_deps_updated()
        renewed: Condition = conditions.cron_tick_passed(RENEWAL, "UTC")
        due: Condition = first | renewed
        due = due.since_last_handled() & ~conditions.in_progress()
        return (due & audited).with_label("monthly_if_upstream_ok")
    return (_following(asset) & audited).with_label("eager_if_upstream_ok")


def _following(asset: LakeAsset) -> Condition:
    """New inputs start an asset; only an asset without inputs also starts because it is missing.

    A landing sensor's run materialises all assets of a delivery. While a slow evaluation of the
    conditions goes on, a partition that the run has just materialised could pass for missing.
    """
    conditions = dg.AutomationCondition
    if not asset.inputs:
        return conditions.eager()
    if any(spec.windows for spec in asset.inputs):
        # Of the shorter windows some may never come, and some come when this one is long over.
        begun = conditions.missing() & conditions.any_deps_match(~conditions.missing())
        latest = (conditions.in_latest_time_window() & begun).since_last_handled()
        return _on_updates() | (latest & ~conditions.in_progress())
    if any(spec.partition_mapping for spec in asset.inputs):
        return conditions.in_latest_time_window() & _on_updates()
    # A vendor may deliver a window that closed long ago, or deliver it again.
    if any(spec.optional for spec in asset.inputs):
        return _on_updates()
    return _on_updates() & ~conditions.any_deps_missing()


def _asking_again() -> Condition:
    """Late data announce themselves to nobody: the windows that may still grow are asked for."""
    conditions = dg.AutomationCondition
    recent: Condition = conditions.in_latest_time_window(STILL_COMING)
    due: Condition = conditions.cron_tick_passed(ASKING, "UTC") & recent
    return _on_updates() | (due.since_last_handled() & ~conditions.in_progress())


def kinds_of(asset: LakeAsset) -> set[str]:
    """Labels in the graph: what computes the asset, where it is stored, and what it exchanges."""
    computed_by = {"python"} if asset.kind == "ingest" else {"ibis"}
    comes_from = {SOURCES[asset.system]} if asset.system in SOURCES and not asset.export else set()
    goes_to = {asset.export.kind} if asset.export else set()
    return {"iceberg", *computed_by, *comes_from, *goes_to}


def tags_of(asset: LakeAsset) -> dict[str, str]:
    """What assets are selected by, such as `tag:layer=raw` or `tag:personal_data=yes`.

    Tier 1 leaves the lake: somebody outside waits for it. Tier 2 are the tables it may come from,
    and tier 3 what was delivered, which is there as long as the landing zone is.
    """
    layer = layer_of(asset)
    columns = (*asset.table.contract.columns, *asset.result.columns)
    is_personal = any(column.personal for column in columns)
    leaves = layer == "outgoing" or asset.to_warehouse
    return {
        "layer": layer,
        "domain": asset.table.namespace,
        "personal_data": "yes" if is_personal else "no",
        "tier": "1" if leaves else "3" if layer == "raw" else "2",
    }


def all_tags(asset: LakeAsset) -> dict[str, str]:
    """Those that follow from what it is, and above them its own."""
    return {**tags_of(asset), **(asset.tags or {})}


def pool_of(asset: LakeAsset, engines: Engines) -> str:
    """The pool that limits how many assets run at once, named after the engine that computes them.

    Only expressions run on another engine than the embedded one. What asks a web API is in a pool
    of the API's own.
    """
    if asset.system == WIKIMEDIA:
        return WIKIMEDIA
    engine = engines.for_asset(asset.name) if asset.kind == "expression" else engines.embedded
    return engine.name.replace("-", "_")


def policies_for(systems: Collection[str], engines: Engines) -> Policies:
    """The policies of a deployment.

    Args:
        systems: The outside systems that are configured. An asset that needs another one gets no
            automation condition.
        engines: The engines that compute assets.
    """

    def automation(asset: LakeAsset) -> Condition | None:
        is_idle = asset.system is not None and asset.system not in systems
        return None if is_idle else automation_of(asset)

    return Policies(
        freshness=freshness_of,
        automation=automation,
        kinds=kinds_of,
        tags=all_tags,
        pool=partial(pool_of, engines=engines),
    )


def _audited() -> Condition:
    """Every input is missing, because it is optional, or has passed its blocking checks.

    A check that was never evaluated is newer than what is published, so it does not block.
    """
    conditions = dg.AutomationCondition
    passes = conditions.check_passed() | conditions.missing() | conditions.will_be_requested()
    passed = conditions.all_checks_match(passes, blocking_only=True)
    return conditions.all_deps_match(conditions.missing() | passed).with_label("inputs_audited")


def _on_updates() -> Condition:
    conditions = dg.AutomationCondition
    return (
        conditions.any_deps_updated().since_last_handled()
        & ~conditions.any_deps_in_progress()
        & ~conditions.in_progress()
    )
