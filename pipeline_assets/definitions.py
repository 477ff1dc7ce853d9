"""The whole graph, wired in one screen."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

import dagster as dg

from pipeline_assets import defs as scaffold_folder
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.binding.policies import Policies
from pipeline_assets.dataset.discovery import require_registered
from pipeline_assets.dataset.values.progress import SILENT, Progress
from pipeline_assets.graph import (
    DATASETS,
    assets_for,
    landing_for,
    require_all_declared,
    versions_for,
)
from pipeline_assets.orchestration.alerts.alert_sensor import alert_sensor
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.jobs import update_jobs
from pipeline_assets.orchestration.policies.asset_policies import policies_for
from pipeline_assets.orchestration.policies.completeness import completeness_checks
from pipeline_assets.orchestration.resources.remote import remote_runners
from pipeline_assets.orchestration.schedules import (
    completeness_schedule,
    maintenance_schedule,
    verification_schedules,
)
from pipeline_assets.orchestration.sensors.janitor_sensor import janitor_sensor
from pipeline_assets.orchestration.sensors.sensors import sensors_for
from pipeline_assets.profiles.profiles import PROFILES
from pipeline_assets.publish.checks.comparison_checks import comparison_checks
from pipeline_assets.publish.dagster_assets import dagster_asset
from pipeline_assets.settings import Settings
from pipeline_assets.staleness.remembered import UNKNOWN, Versions

__all__ = ["DATASETS", "assets_for", "build_definitions", "defs", "landing_for", "scaffolded"]


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
