"""Trials in a folder and on S3, by seed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from pipeline_assets.iceberg.catalog import sqlite_uri
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.settings import Settings
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.chaos.trial import Expected, Findings, Plan, Trial, draw, expect
from pipeline_assets_tests.chaos.weather import Weather, in_weather
from pipeline_assets_tests.chaos.zone import Zone, write_variants


def settings_in(folder: Path, **places: object) -> Settings:
    """Of a small lake below a folder, or elsewhere."""
    (folder / "dagster").mkdir(parents=True)
    (folder / "landing").mkdir()
    small = {"dagster_home": folder / "dagster", "memory_limit_mib": 512, "threads": 1}
    here = {"lake_uri": str(folder / "lake"), "landing_uri": str(folder / "landing")}
    return Settings.model_validate({**here, **small, **places})


def expected_in(folder: Path, variants: int, tables: int) -> Expected:
    """Write the deliveries, and make of them what they should become."""
    written = write_variants(folder / "variants", variants)
    return expect(written, settings_in(folder / "undisturbed"), variants, tables)


@dataclass(frozen=True)
class Trials:
    """Trials of one kind of lake.

    Attributes:
        folder: For everything they write.
        expected: What every lake should come to.
        rounds: Of each trial.
        s3: Where lakes and landing zones are; by default in the folder.
    """

    folder: Path
    expected: Expected
    rounds: int
    s3: S3Access | None = None

    def run(self, seed: int) -> Findings:
        """The findings of one seed."""
        chance = Random(f"{seed} {self.s3 is not None}")
        variants = len(self.expected.marks)
        plans = [draw(chance, variants, on_s3=self.s3 is not None) for _ in range(self.rounds)]
        return self.play(plans, seed, chance)

    def play(self, plans: Sequence[Plan], seed: int = 0, chance: Random | None = None) -> Findings:
        """The findings of a plan for every round."""
        with self._trial(seed, Weather(chance or Random(seed))) as trial:
            return trial.run(plans)

    @contextmanager
    def _trial(self, seed: int, weather: Weather) -> Iterator[Trial]:
        if self.s3 is None:
            settings = settings_in(self.folder / f"seed-{seed}")
            yield self._on(settings, settings, weather)
            return
        bucket = f"chaos-{seed}"
        S3Store(self.s3).client.create_bucket(Bucket=bucket)
        with in_weather(str(self.s3.endpoint_url), weather) as endpoint:
            settings = self._settings_on_s3(self.folder / bucket, bucket, self.s3.endpoint_url)
            exposed = settings.model_copy(update={"s3_endpoint_url": endpoint})
            yield self._on(settings, exposed, weather)

    def _settings_on_s3(self, folder: Path, bucket: str, endpoint: str | None) -> Settings:
        return settings_in(
            folder,
            lake_uri=f"s3://{bucket}/lake",
            catalog_uri=sqlite_uri(folder / "dagster" / "catalog.db"),
            landing_uri=f"s3://{bucket}/landing",
            s3_endpoint_url=endpoint,
            s3_region="us-east-1",
        )

    def _on(self, settings: Settings, exposed: Settings, weather: Weather) -> Trial:
        store = Deployment(settings).store(settings.landing_uri)
        zone = Zone(self.expected.variants, settings.landing_uri, store)
        return Trial(self.expected, zone, settings, exposed, weather)
