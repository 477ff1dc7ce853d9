"""The whole graph, wired in one screen."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

import dagster as dg

from pipeline_assets import defs as scaffold_folder
from pipeline_assets import domains
from pipeline_assets.dagster_internals import AssetGraph
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.binding.declarations import require_declared
from pipeline_assets.dataset.discovery import (
    Dataset,
    Datasets,
    datasets_in,
    packages_of_others,
    require_registered,
)
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.progress import SILENT, Progress
from pipeline_assets.domains.keys.assets import publish_keys
from pipeline_assets.domains.rentals.assets import classified_movie_reviews
from pipeline_assets.domains.rentals.comprehend import by_comprehend
from pipeline_assets.domains.warehouse.assets import warehouse_load
from pipeline_assets.orchestration.alerts.alert_sensor import alert_sensor
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.jobs import update_jobs
from pipeline_assets.orchestration.pipeline_file import DEFAULT_FILE, declared_in, with_declared
from pipeline_assets.orchestration.policies.asset_policies import policies_for
from pipeline_assets.orchestration.policies.completeness import completeness_checks
from pipeline_assets.orchestration.policies.selectable import selectable_graph
from pipeline_assets.orchestration.resources.remote import remote_runners
from pipeline_assets.orchestration.schedules import (
    completeness_schedule,
    maintenance_schedule,
    verification_schedules,
)
from pipeline_assets.orchestration.sensors.janitor_sensor import janitor_sensor
from pipeline_assets.orchestration.sensors.sensors import sensors_for
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
from pipeline_assets.profiles.profiles import PROFILES
from pipeline_assets.publish.checks.comparison_checks import comparison_checks
from pipeline_assets.publish.dagster_assets import Policies, dagster_asset
from pipeline_assets.settings import Settings
from pipeline_assets.staleness.remembered import FILE, UNKNOWN, RememberedVersions, Versions


def with_exports(found: Datasets) -> Datasets:
    """Datasets, and the exports that they ask for: into the warehouse, and by key."""
    loads = (warehouse_load(asset) for asset in found.assets if asset.to_warehouse)
    keyed = (publish_keys(asset, asset.to_keys) for asset in found.assets if asset.to_keys)
    return Datasets((*found.assets, *loads, *keyed), found.landing)


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


def build_definitions(
    settings: Settings,
    progress: Progress = SILENT,
    assets: Sequence[LakeAsset] | None = None,
    versions: Versions = UNKNOWN,
) -> dg.Definitions:
    """The code location for some settings.

    Args:
        settings: The settings.
        progress: Receives every publish.
        assets: The assets; by default all.
        versions: Of their code, as far as they are known.

    Raises:
        DeclarationError: An asset is declared as it cannot be.
        PipelineError: The settings of an engine are incomplete.
    """
    deployment = Deployment(settings)
    assets, landing = assets_for(settings, assets), landing_for(settings)
    tables = {asset.name: asset.table for asset in assets}
    sources = {source.key.to_user_string(): source for source in landing}
    require_all_declared(assets, landing)
    completeness = completeness_checks(assets)
    policies = _policies(deployment)
    return dg.Definitions(
        assets=[
            *(source.spec() for source in landing),
            *(dagster_asset(it, tables, policies, versions.code.get(it.name)) for it in assets),
        ],
        jobs=update_jobs(assets),
        asset_checks=[
            completeness,
            *(check for asset in assets for check in comparison_checks(asset, policies)),
        ],
        schedules=[
            completeness_schedule(completeness, is_hourly=settings.rentals_granularity == "hourly"),
            maintenance_schedule([*tables.values(), PROFILES], compacted=[PROFILES]),
            *verification_schedules(assets),
        ],
        sensors=[
            *sensors_for(landing, assets, deployment),
            janitor_sensor(remote_runners(deployment.engines.routed)),
            alert_sensor(
                deployment.channels,
                watched=[asset.key for asset in assets],
                sender=settings.deployment_name,
                ui=settings.ui_url,
                waits=settings.retry_waits,
            ),
        ],
        executor=deployment.executor,
        resources=deployment.resources(tables, sources, progress),
    )


def _policies(deployment: Deployment) -> Policies:
    systems = {name for name, system in deployment.systems.items() if system.is_set}
    return policies_for(systems, deployment.engines)


def graph_for(settings: Settings) -> AssetGraph:
    """The assets as selections see them; to build all definitions takes much longer.

    Raises:
        PipelineError: The settings of an engine are incomplete.
    """
    policies = _policies(Deployment(settings))
    return selectable_graph(landing_for(settings), assets_for(settings), policies)


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


@dg.definitions
@cache
def defs() -> dg.Definitions:
    """The code location that Dagster loads: settings are those of the environment.

    It is built once in a process, although Dagster asks for it twice before it executes a step.
    """
    settings = Settings.from_environment()
    versions = versions_for(settings, assets_for(settings))
    all_domains = build_definitions(settings, versions=versions)
    return dg.Definitions.merge(all_domains, scaffolded(scaffold_folder))


def scaffolded(package: ModuleType) -> dg.Definitions:
    """What the folder of ``dg scaffold defs`` holds.

    Not by ``load_from_defs_folder``: that needs the pyproject.toml of a checkout, and imports every
    installed library of components, which takes seconds in each process.
    """
    folder = Path(str(package.__file__)).parent
    tree = dg.ComponentTree.from_module(package, project_root=folder.parents[1])
    found = tree.build_defs_at_path(folder)
    require_registered(package, DATASETS.assets)
    return found
