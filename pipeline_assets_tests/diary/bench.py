from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.binding.policies import Policies
from pipeline_assets.dataset.values.progress import SILENT
from pipeline_assets.exports.registry import exporters
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.jobs import update_jobs
from pipeline_assets.publish.dagster_assets import dagster_asset
from pipeline_assets.publish.io_managers import LakeIOManager, LandingIOManager
from pipeline_assets.publish.staging import Stager
from pipeline_assets.settings import Settings
from pipeline_assets_tests.diary.assets import ASSETS, PAGES
from pipeline_assets_tests.workbench import Workbench

POLICIES = Policies(
    tags=lambda _: {},
    freshness=lambda _: None,
    automation=lambda _: None,
    kinds=lambda asset: {asset.kind},
    pool=lambda asset: asset.kind,
)


TABLES = {asset.name: asset.table for asset in ASSETS}


def diary(
    settings: Settings, assets: Sequence[LakeAsset] = ASSETS, **replaced: object
) -> Workbench:
    """The diary's lake, with no day known yet; resources can be replaced by name."""
    tables = {asset.name: asset.table for asset in assets}
    definitions = dg.Definitions(
        assets=[PAGES.spec(), *(dagster_asset(asset, tables, POLICIES) for asset in assets)],
        jobs=update_jobs(assets),
        resources={**resources(settings, assets), **replaced},
    )
    return Workbench(settings, definitions, assets)


def resources(settings: Settings, assets: Sequence[LakeAsset] = ASSETS) -> dict[str, Any]:
    deployment = Deployment(settings)
    store = deployment.store(settings.lake_uri)
    tables = {asset.name: asset.table for asset in assets}
    return {
        "lake_io_manager": LakeIOManager(deployment.lake, tables, SILENT, store),
        "landing_io_manager": LandingIOManager(
            deployment.landing, {PAGES.key.to_user_string(): PAGES}
        ),
        "stager": Stager(
            lake=deployment.lake,
            store=store,
            engines=deployment.engines,
            part_bytes=settings.raw_part_bytes,
            landing_expansion=settings.landing_expansion,
            progress=SILENT,
            systems=deployment.systems,
            exporters=exporters(
                deployment.embedded,
                store,
                settings.lake_uri,
                deployment.databases,
                deployment.parts.key_table.store,
            ),
        ),
    }


def land(bench: Workbench, day: str, **pages: str) -> None:
    """Deliver the pages of a day."""
    folder = Path(bench.settings.landing_uri) / "diary" / day
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / f"{name}.txt").write_text(text)
    bench.instance.add_dynamic_partitions("day", [day])
