"""The whole graph, wired in one screen."""

from collections.abc import Sequence

import dagster as dg

from pipeline_assets.automation.policies import POLICIES
from pipeline_assets.automation.sensors import AUTOMATION
from pipeline_assets.deployment import Deployment
from pipeline_assets.lake.asset import LakeAsset
from pipeline_assets.lake.dagster_assets import dagster_asset
from pipeline_assets.lake.io_manager import LakeIOManager, LandingIOManager
from pipeline_assets.lake.landing import LandingSource
from pipeline_assets.lake.progress import SILENT, Progress
from pipeline_assets.lake.staging import Stager
from pipeline_assets.music import assets as music
from pipeline_assets.ratings import assets as ratings
from pipeline_assets.settings import Settings
from pipeline_assets.taobao import assets as taobao

ASSETS: tuple[LakeAsset, ...] = (*taobao.ASSETS, *ratings.ASSETS, *music.ASSETS)
LANDING: tuple[LandingSource, ...] = (taobao.ARCHIVES, ratings.FILES, music.LISTENING)


def build_definitions(
    settings: Settings, progress: Progress = SILENT, assets: Sequence[LakeAsset] = ASSETS
) -> dg.Definitions:
    """The code location for some settings."""
    deployment = Deployment(settings)
    store = deployment.store(settings.lake_uri)
    tables = {asset.name: asset.table for asset in assets}
    sources = {source.key.to_user_string(): source for source in LANDING}
    return dg.Definitions(
        assets=[
            *(source.spec() for source in LANDING),
            *(dagster_asset(asset, tables, POLICIES) for asset in assets),
        ],
        sensors=[AUTOMATION],
        resources={
            "lake": LakeIOManager(deployment.lake, tables, progress, store),
            "landing": LandingIOManager(deployment.landing, sources),
            "stager": Stager(
                lake=deployment.lake,
                store=store,
                engines=deployment.engines,
                part_bytes=settings.raw_part_bytes,
                progress=progress,
            ),
        },
    )


defs = build_definitions(Settings.from_environment())
