"""Heavy tables on local Spark beside PySpark that somebody would write by hand, and beside DuckDB.

Run: ``python -m benchmarks.spark.transforms [--scale N] [--rounds N] [table ...]``. The embedded
engine fills a lake up to each table's inputs. Then the very job that the lake hands to Spark, the
hand-written PySpark and the embedded engine take turns on the same files, Spark's two in one
session, every second round in the opposite order; the best of the rounds counts, after two that do
not, for a JVM takes that long to compile what it runs. ``with audit`` is a run of its own, in which
Spark also takes the aggregates of the audit on the way, and then does what only ours does: every
other check, the preview and the checksums. Exits with 1 if ours takes more than 1.1 times as long
as what is written by hand.
"""

import argparse
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

import dagster as dg
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from benchmarks.harness import markdown
from benchmarks.spark.by_hand import PEERS
from pipeline_assets.command.batches import batches
from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.dialect import Dialect
from pipeline_assets.dataset.values.progress import Log
from pipeline_assets.definitions import DATASETS, build_definitions
from pipeline_assets.engines.embedded.relational import RELATIONAL
from pipeline_assets.engines.router import Engines
from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.told import register
from pipeline_assets.sample.music import write_music
from pipeline_assets.sample.ratings import write_ratings
from pipeline_assets.sample.taobao import write_taobao
from pipeline_assets.settings import Settings
from spark_resources.cluster.entry_point import SESSION, execute
from spark_resources.cluster.spark_types import identifier, spark_type
from spark_resources.job import Audit, Destination, Job, Kind, Manifest, fresh_token
from spark_resources.runners.local import LocalConfig, LocalRunner

ASSETS = DATASETS.assets
LANDING = DATASETS.landing

THREADS: Final = 2
MEMORY_MIB: Final = 2048
ALLOWED: Final = 1.1
CODEC: Final = SESSION["spark.sql.parquet.compression.codec"]
PARTITION: Final = {"taobao": "train", "music": "2026-01-01", "ratings": "Digital_Video_Download"}
WARM_UP: Final = 2
# At scale 1 each table takes Spark some seconds.
SAMPLES: Final[Mapping[str, tuple[Callable[..., object], float]]] = {
    "taobao": (write_taobao, 160),
    "music": (write_music, 100),
    "ratings": (write_ratings, 75),
}
Contender: TypeAlias = Callable[[], Mapping[str, float]]
HEADER: Final = (
    "table",
    "rows",
    "embedded",
    "by hand",
    "ours",
    "ours / by hand",
    "with audit",
    "with / without",
)
NO_AUDIT: Final = Audit("SELECT count(*) AS `rows` FROM output")


@dataclass(frozen=True)
class Keeper:
    """An engine that keeps the job it is handed and runs nothing."""

    dialect: Dialect
    jobs: list[Job] = field(default_factory=list)
    name: str = "keeper"
    kinds: Collection[Kind] = tuple(RELATIONAL)

    def token(self, _work: Callable[[], str], _log: Log) -> str:
        """See :class:`pipeline_assets.engines.engine.Engine`."""
        return fresh_token()

    def run(self, job: Job, _log: Log) -> Manifest:
        """Keep the job.

        Raises:
            PipelineError: Always.
        """
        self.jobs.append(job)
        raise PipelineError("kept")


@dataclass(frozen=True)
class SampleLake:
    """A lake that holds the inputs of some assets, made by the embedded engine."""

    folder: Path
    instance: dg.DagsterInstance

    @cached_property
    def settings(self) -> Settings:
        """Of the lake and its landing zone."""
        return Settings(
            lake_uri=str(self.folder / "lake"),
            landing_uri=str(self.folder / "landing"),
            dagster_home=self.folder,
            threads=THREADS,
            memory_limit_mib=MEMORY_MIB,
        )

    @cached_property
    def definitions(self) -> dg.Definitions:
        """The code location over it."""
        warnings.simplefilter("ignore")
        return build_definitions(self.settings)

    def fill(self, wanted: Sequence[LakeAsset], scale: float) -> None:
        """Write samples of the assets' domains, and make everything they are made from.

        Raises:
            AssertionError: Something could not be made.
        """
        for domain in {asset.table.namespace for asset in wanted}:
            write, size = SAMPLES[domain]
            write(self.folder / "landing", scale=size * scale)
        needed = self._upstream(wanted)
        read = {spec.key for asset in needed for spec in asset.inputs}
        sources = [source for source in LANDING if source.key in read]
        deployment = Deployment(self.settings)
        updater = Updater(needed, sources, deployment, self.instance, definitions=self.definitions)
        listings = updater.listings()
        register(updater.instance, updater.sources, listings)
        outcomes = list(updater.run(batches(updater.stale(listings))))
        failures = [failure for outcome in outcomes for failure in outcome.failures]
        assert not failures, failures

    def _upstream(self, wanted: Sequence[LakeAsset]) -> list[LakeAsset]:
        """All that assets are made from, without themselves unless another one needs them."""
        graph = self.definitions.resolve_asset_graph()
        above = [dg.AssetSelection.assets(it.key).upstream(include_self=False) for it in wanted]
        keys = {key for selection in above for key in selection.resolve(graph)}
        return [asset for asset in ASSETS if asset.key in keys]

    def job(self, asset: LakeAsset, dialect: Dialect) -> Job:
        """What Dagster would hand to an engine of that dialect to make the asset."""
        keeper = Keeper(dialect)
        resources = dict(self.definitions.resources or {})
        with dg.build_resources(resources) as built:
            stager = built.stager
        engines = Engines(stager.engines.embedded, keeper)
        kept = dg.Definitions(
            assets=self.definitions.assets,
            resources={**resources, "stager": replace(stager, engines=engines)},
        )
        kept.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[asset.key],
            partition_key=PARTITION[asset.table.namespace],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=self.instance,
            raise_on_error=False,
        )
        return keeper.jobs[0]


@dataclass(frozen=True)
class Contest:
    """The contenders for one table.

    Attributes:
        asset: Which one.
        ours: The job for Spark.
        embedded: The job for the embedded engine.
        spark: The session.
        folder: Where they write.
    """

    asset: LakeAsset
    ours: Job
    embedded: Job
    spark: SparkSession
    folder: Path

    def times(self, lake: SampleLake, *, ours_first: bool) -> Mapping[str, float]:
        """Seconds of one round by contender."""
        embedded = partial(self._run_embedded, lake)
        turns: list[Contender] = [self._run_ours, self._run_by_hand, embedded]
        found: dict[str, float] = {}
        for run in turns if ours_first else reversed(turns):
            found |= run()
        return found

    def _run_ours(self) -> Mapping[str, float]:
        unaudited = execute(self.spark, self._to("ours", replace(self.ours, audit=NO_AUDIT)))
        seconds = unaudited.timings["inputs"] + unaudited.timings["execute"]
        audited = execute(self.spark, self._to("ours", self.ours))
        whole = sum(audited.timings.values())
        return {"rows": audited.rows, "ours": seconds, "with audit": whole}

    def _run_by_hand(self) -> Mapping[str, float]:
        started = time.monotonic()
        table = PEERS[self.asset.name](self.spark, self.ours)
        table.write.parquet(str(self._fresh("by hand")), compression=CODEC)
        return {"by hand": time.monotonic() - started}

    def _run_embedded(self, lake: SampleLake) -> Mapping[str, float]:
        engine = Deployment(lake.settings).embedded
        manifest = engine.run(self._to("embedded", self.embedded), lambda _line: None)
        return {"embedded": manifest.timings["write"]}

    def require_equal(self) -> None:
        """Compare what all three wrote last, as multisets.

        Raises:
            AssertionError: They differ.
        """
        found = {name: self._digest(name) for name in ("ours", "by hand", "embedded")}
        assert len(set(found.values())) == 1, (self.asset.name, found)

    def _digest(self, contender: str) -> tuple[int, int]:
        read = self.spark.read.option("recursiveFileLookup", "true")
        columns = [
            sf.col(identifier(name)).cast(spark_type(type_))
            for name, type_ in self.ours.schema.items()
        ]
        rows = read.parquet(str(self.folder / contender)).select(*columns)
        hashes = sf.xxhash64(*rows.columns).cast("decimal(38, 0)")
        count, total = rows.agg(sf.count(sf.lit(1)), sf.sum(hashes)).collect()[0]
        return count, int(total)

    def _to(self, contender: str, job: Job) -> Job:
        to = job.destination
        uri = str(self._fresh(contender))
        return replace(job, destination=Destination(uri, to.partition_column, to.partition_keys))

    def _fresh(self, contender: str) -> Path:
        shutil.rmtree(self.folder / contender, ignore_errors=True)
        return self.folder / contender


def best(rounds: Sequence[Mapping[str, float]], what: str) -> float:
    """Of all rounds."""
    return min(times[what] for times in rounds)


def compete(lake: SampleLake, wanted: Sequence[LakeAsset], rounds: int) -> Iterator[list[float]]:
    """Rows and best seconds of each table, in the order of the header."""
    config = LocalConfig(lake.folder / "spark", threads=THREADS, memory_mib=MEMORY_MIB)
    spark = LocalRunner(config).session()
    for asset in wanted:
        jobs = lake.job(asset, "pyspark"), lake.job(asset, "duckdb")
        contest = Contest(asset, *jobs, spark, lake.folder / "out")
        turns = range(WARM_UP + rounds)
        found = [contest.times(lake, ours_first=turn % 2 == 0) for turn in turns][WARM_UP:]
        contest.require_equal()
        ratio = best(found, "ours") / best(found, "by hand")
        measured = [best(found, name) for name in ("rows", "embedded", "by hand", "ours")]
        audited = best(found, "with audit")
        yield [*measured, ratio, audited, audited / best(found, "ours")]


def main() -> int:
    """Print the table; how many of ours are too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", default=list(PEERS), help="such as taobao/impressions")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    wanted = [asset for asset in ASSETS if asset.name in arguments.tables]
    with TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        lake = SampleLake(Path(folder), instance)
        lake.fill(wanted, arguments.scale)
        found = list(compete(lake, wanted, arguments.rounds))
    rows = [
        [asset.name, f"{rows:,.0f}", *(f"{value:.2f}" for value in values)]
        for asset, (rows, *values) in zip(wanted, found, strict=True)
    ]
    print(markdown(HEADER, rows))
    return sum(values[HEADER.index("ours / by hand") - 1] > ALLOWED for values in found)


if __name__ == "__main__":
    sys.exit(bool(main()))
