"""Whether every window of time that should be there is there.

Dagster's freshness looks at an asset's last materialisation, whatever its partition: filling an old
day makes it fresh. These checks look at the windows themselves.
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
"""Missing windows that a check's page lists."""


@dataclass(frozen=True)
class Completeness:
    """The windows of one asset.

    Attributes:
        first: The first one that was published; None if none was.
        last: The last one that should be.
        missing: Those between them that are not there, also the last; oldest first.
    """

    first: str | None
    last: str | None
    missing: tuple[str, ...]


def completeness(cut: Partitioning, published: Collection[str], until: datetime) -> Completeness:
    """Compare what is published with the windows from the first of it to the last that is due.

    Args:
        cut: Windows of time.
        published: Keys that are there.
        until: Windows that end by then are due.
    """
    definition = cut.in_time
    ended = definition.get_prev_partition_window(until) if definition else None
    last = ended.start.strftime(definition.fmt) if definition and ended else None
    first = min(published, default=None)
    if definition is None or last is None or first is None:
        return Completeness(first, last, (last,) if last else ())
    due = definition.get_partition_keys_in_range(dg.PartitionKeyRange(min(first, last), last))
    there = set(published)
    return Completeness(first, last, tuple(key for key in due if key not in there))


def completeness_checks(assets: Sequence[LakeAsset]) -> dg.AssetChecksDefinition:
    """One check for each asset that is cut into windows of time; they only read the catalog."""
    watched = {asset.key: asset for asset in assets if settle_of(asset)}

    @dg.multi_asset_check(
        name="completeness",
        description="Looks for windows of time that are due and not there.",
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
        description=_told(found),
        metadata={
            "missing": len(found.missing),
            "missing_windows": list(found.missing[-LISTED:]),
            "published": len(published),
            "first_published": found.first or "none",
            "last_due": found.last or "none",
        },
    )


def _told(found: Completeness) -> str:
    if found.first is None:
        return "Nothing was ever published."
    if not found.missing:
        return f"Every window from {found.first} to {found.last} is there."
    more = f" and {len(found.missing) - 1} more" if len(found.missing) > 1 else ""
    return f"Missing: {found.missing[-1]}{more}."
