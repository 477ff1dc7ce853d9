"""What is applied to every asset alike; see :mod:`pipeline_assets.orchestration.policies`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset


@dataclass(frozen=True)
class Policies:
    """What is applied to every asset alike, chosen by the asset."""

    freshness: Callable[[LakeAsset], dg.FreshnessPolicy | None]
    automation: Callable[[LakeAsset], dg.AutomationCondition[Any] | None]
    kinds: Callable[[LakeAsset], set[str]]
    tags: Callable[[LakeAsset], Mapping[str, str]]
    pool: Callable[[LakeAsset], str]
