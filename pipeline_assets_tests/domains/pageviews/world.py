"""The page view domain on a lake of its own, beside a server that answers like Wikimedia's."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.definitions import assets_for, build_definitions, landing_for
from pipeline_assets.domains import pageviews
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.sample.wikipedia.articles import subjects_csv
from pipeline_assets.sample.wikipedia.server import Wikipedia
from pipeline_assets.settings import Settings
from pipeline_assets_tests.updating import Updated, read_lake, update

DATASETS = datasets_in(pageviews)
CONTACT = "data@example.org"

Subject = tuple[str, str, str]


@dataclass(frozen=True)
class World:
    settings: Settings
    instance: dg.DagsterInstance
    wikipedia: Wikipedia

    @classmethod
    def below(
        cls,
        folder: Path,
        instance: dg.DagsterInstance,
        wikipedia: Wikipedia,
        start: date,
        *,
        contact: str | None = CONTACT,
    ) -> "World":
        fields = {
            "lake_uri": str(folder / "lake"),
            "landing_uri": str(folder / "landing"),
            "dagster_home": folder / "dagster",
            "memory_limit_mib": 512,
            "threads": 2,
            "pageviews_start": start,
            "wikimedia_contact": contact,
            "wikimedia_endpoint_url": wikipedia.url,
        }
        (folder / "landing").mkdir(exist_ok=True)
        return cls(Settings.model_validate(fields), instance, wikipedia)

    @cached_property
    def updater(self) -> Updater:
        assets = assets_for(self.settings, DATASETS.assets)
        read = {spec.key for asset in assets for spec in asset.inputs}
        sources = [source for source in landing_for(self.settings) if source.key in read]
        definitions = build_definitions(self.settings, assets=DATASETS.assets)
        return Updater(
            assets, sources, Deployment(self.settings), self.instance, definitions=definitions
        )

    def land(self, name: str, subjects: Iterable[Subject]) -> None:
        path = Path(self.settings.landing_uri, "pageviews", name, "subjects.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(subjects_csv(subjects), encoding="utf-8")

    def update(self, *names: str) -> Updated:
        return update(self.updater, *names)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return read_lake(self.settings, DATASETS.assets, sql)
