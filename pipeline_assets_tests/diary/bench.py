from pathlib import Path
from typing import Any

import dagster as dg

from pipeline_assets.dataset.values.progress import SILENT, Progress
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.publish.dagster_assets import Policies, dagster_asset
from pipeline_assets.publish.io_managers import LakeIOManager, LandingIOManager
from pipeline_assets.publish.staging import Stager
from pipeline_assets.settings import Settings
from pipeline_assets_tests.diary.assets import ASSETS, PAGES
from pipeline_assets_tests.workbench import Workbench

POLICIES = Policies(
    freshness=lambda _: None,
    automation=lambda _: None,
    kinds=lambda asset: {asset.kind},
    pool=lambda asset: asset.kind,
)
TABLES = {asset.name: asset.table for asset in ASSETS}


def diary(settings: Settings, **replaced: object) -> Workbench:
    """The diary's lake, with no day known yet; resources can be replaced by name."""
    definitions = dg.Definitions(
        assets=[PAGES.spec(), *(dagster_asset(asset, TABLES, POLICIES) for asset in ASSETS)],
        resources={**resources(settings), **replaced},
    )
    return Workbench(settings, definitions, ASSETS)


def resources(settings: Settings, progress: Progress = SILENT) -> dict[str, Any]:
    deployment = Deployment(settings)
    store = deployment.store(settings.lake_uri)
    sources = {PAGES.key.to_user_string(): PAGES}
    return {
        "lake_io_manager": LakeIOManager(deployment.lake, TABLES, progress, store),
        "landing_io_manager": LandingIOManager(deployment.landing, sources),
        "stager": Stager(
            deployment.lake, store, deployment.engines, settings.raw_part_bytes, progress
        ),
    }


def land(bench: Workbench, day: str, **pages: str) -> None:
    """Deliver the pages of a day."""
    folder = Path(bench.settings.landing_uri) / "diary" / day
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / f"{name}.txt").write_text(text)
    bench.instance.add_dynamic_partitions("day", [day])
