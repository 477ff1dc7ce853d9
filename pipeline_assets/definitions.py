"""The whole graph, wired in one screen."""

from collections.abc import Sequence

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.landing_source import LandingSource
from pipeline_assets.dataset.progress import SILENT, Progress
from pipeline_assets.domains.music import assets as music
from pipeline_assets.domains.music.deliveries import LISTENING
from pipeline_assets.domains.ratings import assets as ratings
from pipeline_assets.domains.rentals import assets as rentals
from pipeline_assets.domains.taobao import assets as taobao
from pipeline_assets.domains.warehouse.assets import warehouse_load
from pipeline_assets.orchestration.alerts.alert_sensor import alert_sensor
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.policies.asset_policies import policies_for
from pipeline_assets.orchestration.policies.completeness import completeness_checks
from pipeline_assets.orchestration.schedules import completeness_schedule, maintenance_schedule
from pipeline_assets.orchestration.sensors.janitor_sensor import janitor_sensor
from pipeline_assets.orchestration.sensors.sensors import sensors_for
from pipeline_assets.orchestration.spark_engines import remote_runners
from pipeline_assets.partitions import DAYS, windows
from pipeline_assets.profiles.profiles import PROFILES
from pipeline_assets.publish.comparison_checks import Comparer, comparison_checks
from pipeline_assets.publish.dagster_assets import dagster_asset
from pipeline_assets.publish.io_managers import LakeIOManager, LandingIOManager
from pipeline_assets.publish.staging import Stager
from pipeline_assets.settings import Settings

LOADED: tuple[LakeAsset, ...] = (
    taobao.impressions,
    taobao.core_features,
    taobao.common_features_summary,
    taobao.common_features,
    rentals.user_behavior_metric,
)
ASSETS: tuple[LakeAsset, ...] = (
    *taobao.ASSETS,
    *ratings.ASSETS,
    *music.ASSETS,
    *rentals.ASSETS,
    *map(warehouse_load, LOADED),
)
LANDING: tuple[LandingSource, ...] = (
    taobao.ARCHIVES,
    ratings.FILES,
    LISTENING,
    rentals.REVIEWS,
)


def assets_for(settings: Settings, assets: Sequence[LakeAsset] = ASSETS) -> list[LakeAsset]:
    """The assets, cut into the windows of time that settings ask for."""
    cut = windows(settings.rentals_granularity, settings.rentals_start)
    return [asset.with_partitioning(DAYS, cut) for asset in assets]


def landing_for(settings: Settings) -> list[LandingSource]:
    """The landing sources, cut likewise."""
    cut = windows(settings.rentals_granularity, settings.rentals_start)
    return [source.with_partitioning(DAYS, cut) for source in LANDING]


def build_definitions(
    settings: Settings, progress: Progress = SILENT, assets: Sequence[LakeAsset] = ASSETS
) -> dg.Definitions:
    """The code location for some settings."""
    deployment = Deployment(settings)
    store = deployment.store(settings.lake_uri)
    assets, landing = assets_for(settings, assets), landing_for(settings)
    tables = {asset.name: asset.table for asset in assets}
    sources = {source.key.to_user_string(): source for source in landing}
    completeness = completeness_checks(assets)
    engines = deployment.engines
    systems = {name for name, base in deployment.databases.items() if base.dsn}
    policies = policies_for(systems, engines)
    return dg.Definitions(
        assets=[
            *(source.spec() for source in landing),
            *(dagster_asset(asset, tables, policies) for asset in assets),
        ],
        asset_checks=[
            completeness,
            *(check for asset in assets for check in comparison_checks(asset)),
        ],
        schedules=[
            completeness_schedule(completeness, is_hourly=settings.rentals_granularity == "hourly"),
            maintenance_schedule([*(asset.table for asset in assets), PROFILES]),
        ],
        sensors=[
            *sensors_for(landing, assets, deployment),
            janitor_sensor(remote_runners(engines.routed)),
            alert_sensor(
                deployment.channels,
                watched=[asset.key for asset in assets],
                sender=settings.deployment_name,
                ui=settings.ui_url,
                waits=settings.retry_waits,
            ),
        ],
        executor=deployment.executor,
        resources={
            "lake": LakeIOManager(deployment.lake, tables, progress),
            "landing": LandingIOManager(deployment.landing, sources),
            "comparer": Comparer(deployment.lake, store, engines),
            "stager": Stager(
                lake=deployment.lake,
                store=store,
                engines=engines,
                part_bytes=settings.raw_part_bytes,
                progress=progress,
                databases=deployment.databases,
                exporters=deployment.exporters,
            ),
        },
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The code location that Dagster loads: settings are those of the environment."""
    return build_definitions(Settings.from_environment())
