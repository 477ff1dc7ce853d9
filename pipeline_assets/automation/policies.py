"""How fresh assets must be and when they run by themselves, applied to all of them alike."""

from datetime import timedelta
from typing import Any, Final

import dagster as dg

from pipeline_assets.lake.asset import LakeAsset
from pipeline_assets.lake.dagster_assets import Policies

FRESH_FOR: Final = timedelta(days=7)
FRESHNESS_BY_DOMAIN: Final = {"rentals": timedelta(days=1)}


def freshness_of(asset: LakeAsset) -> dg.FreshnessPolicy:
    """Fail once the domain's window has passed without a materialisation; warn at half of it."""
    window = FRESHNESS_BY_DOMAIN.get(asset.table.namespace, FRESH_FOR)
    return dg.FreshnessPolicy.time_window(fail_window=window, warn_window=window / 2)


def automation_of(_asset: LakeAsset) -> dg.AutomationCondition[Any]:
    """Follow the inputs as soon as what blocks them has passed."""
    eager = dg.AutomationCondition.eager()
    audited = dg.AutomationCondition.all_deps_blocking_checks_passed()
    return (eager & audited).with_label("eager_if_upstream_ok")


def kinds_of(asset: LakeAsset) -> set[str]:
    """Labels in the graph: how it is stored and what computes it."""
    computed_by = {"python"} if asset.kind == "ingest" else {"ibis"}
    return {"iceberg", *computed_by, *({"csv"} if asset.export else ())}


POLICIES: Final = Policies(freshness=freshness_of, automation=automation_of, kinds=kinds_of)
