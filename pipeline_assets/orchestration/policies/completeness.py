"""Asset checks that every time window that is due has been published.

Dagster's freshness policies look at the last materialisation of an asset, whatever its partition: a
backfill of an old day makes the asset fresh. These checks look at the windows themselves.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.partitioning import Partitioning
from pipeline_assets.orchestration.policies.freshness import settle_of
from pipeline_assets.publish.io_managers import LakeIOManager

NAME: Final = "windows_complete"
LISTED: Final = 100
"""How many missing windows the metadata of a check lists."""


@dataclass(frozen=True)
class Completeness:
    """The time windows of one asset.

    Attributes:
        first: The first published window; None if none was published.
        last: The last window that is due.
        missing: The windows up to the last one that are due and not published, oldest first.
    """

    first: str | None
    last: str | None
    missing: tuple[str, ...]


def completeness(
    partitioning: Partitioning, published: Collection[str], until: datetime
) -> Completeness:
    """Compare the published windows with those from the first published to the last that is due.

    Args:
        partitioning: A partitioning by time.
        published: Keys of the published windows.
        until: A window that ends by then is due.
    """
    definition = partitioning.in_time
    ended = definition.get_prev_partition_window(until) if definition else None
    last = ended.start.strftime(definition.fmt) if definition and ended else None
    first = min(published, default=None)
    if definition is None or last is None or first is None:
        return Completeness(first, last, (last,) if last else ())
    due = definition.get_partition_keys_in_range(dg.PartitionKeyRange(min(first, last), last))
    there = set(published)
    return Completeness(first, last, tuple(key for key in due if key not in there))


def completeness_checks(assets: Sequence[LakeAsset]) -> dg.AssetChecksDefinition:
    """One check for each asset with time windows; the checks only read the catalog."""
    watched = {asset.key: asset for asset in assets if settle_of(asset)}

    @dg.multi_asset_check(
        name="completeness",
        description="Looks for time windows that are due and not published.",
        specs=[
            dg.AssetCheckSpec(
                NAME,
                asset=key,
                description="No window is missing from the first that was published to the last "
                "that is due.",
            )
            for key in watched
        ],
        can_subset=True,
        required_resource_keys={"lake_io_manager"},
    )
    def check_completeness(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        now = datetime.now(UTC)
        manager: LakeIOManager = context.resources.lake_io_manager
        for selected in sorted(context.selected_asset_check_keys):
            asset = watched[selected.asset_key]
            yield _result(asset, manager.lake.records(asset.table), now)

    return check_completeness


def _result(asset: LakeAsset, published: Mapping[str, Any], now: datetime) -> dg.AssetCheckResult:
    settle = settle_of(asset)
    if asset.partitioning is None or settle is None:
        raise ValueError(f"{asset.name} has no windows of time")
    found = completeness(asset.partitioning, published.keys(), now - settle)
    return dg.AssetCheckResult(
        passed=not found.missing,
        asset_key=asset.key,
        check_name=NAME,
        severity=dg.AssetCheckSeverity.ERROR,
        description=_description(found),
        metadata={
            "missing": len(found.missing),
            "missing_windows": list(found.missing[-LISTED:]),
            "published": len(published),
            "first_published": found.first or "none",
            "last_due": found.last or "none",
        },
    )


def _description(found: Completeness) -> str:
    if found.first is None:
        return "Nothing was ever published."
    if not found.missing:
        return f"Every window from {found.first} to {found.last} is there."
    more = f" and {len(found.missing) - 1} more" if len(found.missing) > 1 else ""
    return f"Missing: {found.missing[-1]}{more}."
