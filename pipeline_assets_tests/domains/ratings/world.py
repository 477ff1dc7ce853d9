"""The ratings domain on a lake of its own: land files, update as the command does, read tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.definitions import build_definitions
from pipeline_assets.domains import ratings
from pipeline_assets.domains.ratings.assets import FILES
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.sample.ratings_reviews import COLUMNS
from pipeline_assets.settings import Settings
from pipeline_assets_tests.updating import Updated, read_lake, update

ASSETS = tuple(it for it in datasets_in(ratings).assets if "training" not in it.function.__module__)
"""What a delivery becomes; training sets have tests of their own."""
DELIVERED = " or ".join(f'key:"{asset.name}"' for asset in ASSETS)
"""Chooses them on the command line."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class World:
    settings: Settings
    instance: dg.DagsterInstance
    assets: tuple[LakeAsset, ...] = ASSETS

    @cached_property
    def updater(self) -> Updater:
        definitions = build_definitions(self.settings, assets=self.assets)
        return Updater(
            self.assets, [FILES], Deployment(self.settings), self.instance, definitions=definitions
        )

    def land(self, category: str, *rows: Row, header: Sequence[str] = COLUMNS) -> Path:
        """A category's file; columns that a row does not name are empty."""
        lines = [header, *([str(row.get(name, "")) for name in header] for row in rows)]
        text = "".join("\t".join(line) + "\n" for line in lines)
        return self.land_bytes(category, text.encode())

    def land_bytes(self, category: str, content: bytes, suffix: str = ".tsv") -> Path:
        name = f"amazon_reviews/amazon_reviews_us_{category}_v1_00{suffix}"
        path = Path(self.settings.landing_uri, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def update(self, *names: str, accepts: bool = False) -> Updated:
        """Bring everything, or some tables, up to date."""
        return update(self.updater, *names, accepts=accepts)

    def materialize(
        self, category: str, *names: str, config: Row | None = None
    ) -> dg.ExecuteInProcessResult:
        """Run some assets of a category as the UI does; `config` is that of the filter."""
        ops = {"ratings__filtered_ratings": {"config": dict(config)}} if config else {}
        job = self.updater.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(["ratings", name]) for name in names],
            partition_key=category,
            run_config={"ops": ops, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return read_lake(self.settings, self.assets, sql)
