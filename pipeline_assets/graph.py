"""What the graph consists of: its assets, its landing sources, and the versions of their code.

:mod:`pipeline_assets.definitions` makes of them what Dagster runs. Whoever only asks what is there,
or what is stale, does without jobs, sensors, engines and resources, which take as long to import.
"""

from collections.abc import Sequence
from typing import Final

from pipeline_assets import domains
from pipeline_assets.dagster_internals import AssetGraph
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.binding.declarations import require_declared
from pipeline_assets.dataset.discovery import (
    Dataset,
    Datasets,
    datasets_in,
    packages_of_others,
)
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.domains.keys.assets import publish_keys
from pipeline_assets.domains.rentals.assets import classified_movie_reviews
from pipeline_assets.domains.rentals.comprehend import by_comprehend
from pipeline_assets.domains.warehouse.assets import warehouse_load
from pipeline_assets.garbage import look_for_garbage_less_often
from pipeline_assets.orchestration.pipeline_file import DEFAULT_FILE, declared_in, with_declared
from pipeline_assets.orchestration.policies.selectable import selectable_graph
from pipeline_assets.partitions import (
    DAYS,
    EVENT_DAYS,
    HOURS,
    MONTHS,
    event_days,
    event_hours,
    months,
    windows,
)
from pipeline_assets.settings import Settings
from pipeline_assets.staleness.remembered import FILE, RememberedVersions, Versions


def with_exports(found: Datasets) -> Datasets:
    """Datasets, and the exports that they ask for: into the warehouse, and by key."""
    loads = (warehouse_load(asset) for asset in found.assets if asset.to_warehouse)
    keyed = (publish_keys(asset, asset.to_keys) for asset in found.assets if asset.to_keys)
    return Datasets((*found.assets, *loads, *keyed), found.landing)


# Most of what a run, a step or a code server loads comes with this module or behind it.
look_for_garbage_less_often()
DATASETS: Final = with_exports(datasets_in(domains))
"""What the modules of our domains define."""


def datasets_for(settings: Settings) -> Datasets:
    """Ours, and those of the packages that are installed or that settings name."""
    others = packages_of_others(settings.domains)
    return with_exports(datasets_in(domains, *others)) if others else DATASETS


def assets_for(settings: Settings, assets: Sequence[LakeAsset] | None = None) -> list[LakeAsset]:
    """Assets, by default all, cut into the windows of time and with the config of the settings."""
    every = datasets_for(settings).assets
    chosen = every if assets is None else assets
    if settings.environment:
        # What an environment exported would take the place of what production has exported.
        chosen = [asset for asset in chosen if asset.export is None]
    known = [asset.name for asset in (*every, *chosen)]
    if settings.sentiment == "comprehend":
        told = by_comprehend(classified_movie_reviews, settings.comprehend_language)
        chosen = [told if asset is classified_movie_reviews else asset for asset in chosen]
    declared = declared_in(settings.config_file)
    return with_declared([_cut(it, settings) for it in chosen], declared, known)


def landing_for(settings: Settings) -> list[LandingSource]:
    """The landing sources, cut likewise."""
    return [_cut(source, settings) for source in datasets_for(settings).landing]


def _cut(dataset: Dataset, settings: Settings) -> Dataset:
    """A dataset or landing source with the windows of time of the settings."""
    chosen = {
        DAYS: windows(settings.rentals_granularity, settings.rentals_start),
        MONTHS: months(settings.pageviews_start),
        HOURS: event_hours(settings.events_start),
        EVENT_DAYS: event_days(settings.events_start),
    }
    cut = dataset
    for before, after in chosen.items():
        cut = cut.with_partitioning(before, after)
    return cut


def graph_for(settings: Settings) -> AssetGraph:
    """The assets as selections see them; to build all definitions takes much longer."""
    return selectable_graph(landing_for(settings), assets_for(settings))


def versions_for(settings: Settings, assets: Sequence[LakeAsset]) -> Versions:
    """The versions of assets, which the Dagster home remembers.

    Raises:
        DeclarationError: An asset's expression is not what its contract promises.
    """
    beside = [settings.config_file or DEFAULT_FILE]
    kept = RememberedVersions(settings.dagster_home / FILE, settings.circumstances(), beside)
    return kept.versions(assets)


def require_all_declared(assets: Sequence[LakeAsset], landing: Sequence[LandingSource]) -> None:
    """Refuse declarations that cannot be.

    Raises:
        DeclarationError: An asset names what does not exist, or expects what is not there.
    """
    names = [*(asset.name for asset in assets), *(it.key.to_user_string() for it in landing)]
    for asset in assets:
        require_declared(asset, names)
