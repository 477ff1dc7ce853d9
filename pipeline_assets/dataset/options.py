"""What every declaration of a dataset may say besides what it computes."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Required, TypeAlias, TypedDict

import dagster as dg

from pipeline_assets.dataset.accounting import Delivery
from pipeline_assets.dataset.contract import Check
from pipeline_assets.dataset.partitioning import Mapped, Partitioning, Window
from pipeline_assets.dataset.plots import Plot, Text
from pipeline_assets.dataset.values.destinations import ByKey

TRAINING_SET: Final = {"training_set": "yes"}
"""Tags of the assets that a release holds unless somebody names others."""


@dataclass(frozen=True)
class WindowVersion:
    """What an outside system holds for one window of time.

    Attributes:
        rows: How many rows; None for a system that cannot tell.
        version: A fingerprint of them.
    """

    rows: int | None
    version: str


NOWHERE: Final = datetime.min.replace(tzinfo=UTC)
"""In the place of a window's start: rows without a date that a calendar knows."""

SourceVersions: TypeAlias = Callable[
    [Any, timedelta, Window | None], Mapping[datetime, WindowVersion]
]
"""From a connection string, the length of windows and the span to look at (None for all of it) to
the version of each window that the system holds anything of, by the window's start in UTC."""


class Options(TypedDict, total=False):
    """Fields of :class:`pipeline_assets.dataset.asset.LakeAsset`, which explains them."""

    owners: tuple[str, ...]
    tags: Mapping[str, str]
    partitions_per_run: int
    system: str
    source_versions: SourceVersions
    refreshes_on_request: bool
    to_warehouse: bool
    to_keys: ByKey
    delivery: Delivery | None
    keeps_newest: int


class TableOptions(Options, total=False):
    """Arguments of :func:`pipeline_assets.dataset.asset.lake_asset`, but for its contract."""

    domain: Required[str]
    partitions: Partitioning
    inputs: Mapping[str, dg.AssetKey]
    mappings: Mapping[str, Mapped]
    optional: Collection[str]
    checks: Iterable[Check]
    plots: Iterable[Plot | Text]
