"""The music domain on a lake of its own: land files, update as the command does, read tables."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.definitions import build_definitions
from pipeline_assets.domains import music
from pipeline_assets.domains.music.deliveries import LISTENING
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.told import register
from pipeline_assets.settings import Settings
from pipeline_assets_tests.updating import Updated, read_lake, update

ASSETS = datasets_in(music).assets

DAY = "2026-01-01"
USERS = "user_id,country,total_scrobbles\n"
TOP_ARTISTS = "user_id,rank,artist_name,playcount,mbid\n"
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
Row = tuple[Any, ...]


@dataclass(frozen=True)
class World:
    settings: Settings
    instance: dg.DagsterInstance

    @classmethod
    def below(cls, folder: Path, instance: dg.DagsterInstance, threads: int = 2) -> "World":
        places = {name: str(folder / name.split("_")[0]) for name in ("lake_uri", "landing_uri")}
        small = {"dagster_home": folder / "dagster", "memory_limit_mib": 512, "threads": threads}
        return cls(Settings.model_validate({**places, **small}), instance)

    @cached_property
    def updater(self) -> Updater:
        definitions = build_definitions(self.settings, assets=ASSETS)
        return Updater(
            ASSETS, [LISTENING], Deployment(self.settings), self.instance, definitions=definitions
        )

    def land(self, name: str, text: str | bytes, snapshot: str = DAY) -> Path:
        path = Path(self.settings.landing_uri, "music", snapshot, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def update(self) -> Updated:
        return update(self.updater)

    def materialize(self, *names: str, **config: dict[str, Any]) -> dg.ExecuteInProcessResult:
        """Run some assets, as the Launchpad does; `config` is by asset."""
        register(self.updater.instance, self.updater.sources, self.updater.listings())
        job = self.updater.definitions.resolve_implicit_global_asset_job_def()
        ops = {f"music__{name}": {"config": values} for name, values in config.items()}
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(["music", name]) for name in names],
            partition_key=DAY,
            run_config={"ops": ops, "loggers": QUIET},
        )

    def query(self, sql: str) -> list[Row]:
        return read_lake(self.settings, ASSETS, sql)

    def counts(self, sql: str) -> dict[Any, Any]:
        """The answer to a query for names and values."""
        return {name: value for name, value in self.query(sql)}  # noqa: C416 - rows are no pairs

    def rejected(self) -> list[Row]:
        """Place and reason of every rejected record."""
        return self.query(
            "select regexp_extract(source_uri, '[^/]+$'), row_number, reason "
            "from music.rejected_rows order by all"
        )
