"""The check behind ``make athena-check``: every asset on Athena beside the embedded engine.

It reads a lake that is there: what is published of each asset's inputs is computed once on either
engine, and the rows are compared. Nothing is published, and what the engines wrote is removed. With
the settings of a real account Athena itself answers; the tests run the same on the double.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

import click
import dagster as dg
import duckdb

from pipeline_assets.command.boundary import obey_sigterm, one_line_errors
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.inputs import InputSpec, LazyTable
from pipeline_assets.dataset.sql import schema_names
from pipeline_assets.dataset.values.progress import SILENT
from pipeline_assets.definitions import DATASETS, assets_for
from pipeline_assets.engines.athena.refusals import NotOnAthenaError
from pipeline_assets.engines.embedded.duckdb_sql import source_query
from pipeline_assets.engines.engine import Engine
from pipeline_assets.engines.router import Engines
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.publish.attempt import Attempt, Request
from pipeline_assets.publish.io_managers import lazy_table, with_own
from pipeline_assets.publish.staging import Stager
from pipeline_assets.settings import Settings
from spark_resources.job import Manifest, Source, SourceFile


@dataclass(frozen=True)
class Compared:
    """What came of one asset.

    Attributes:
        name: The asset.
        verdict: ``equal``, ``differs``, ``failed``, ``refused`` or ``not published``.
        told: Why it was refused or failed, or how it differs.
        rows: Rows of either engine.
        partitions: Partitions computed, empty ones included.
        empty: How many of them have no row.
        scanned_bytes: What Athena says that it has read.
    """

    name: str
    verdict: str
    told: str = ""
    rows: int = 0
    partitions: int = 0
    empty: int = 0
    scanned_bytes: int = 0


@dataclass(frozen=True)
class Bench:
    """A lake, and the two engines.

    Attributes:
        deployment: Its lake holds the inputs, and its embedded engine computes one side.
        athena: Computes the other side.
        assets: All assets of the lake.
        scratch: A prefix on S3 for what both write; it is emptied again.
    """

    deployment: Deployment
    athena: Engine
    assets: Sequence[LakeAsset]
    scratch: str

    def compare(self, asset: LakeAsset) -> Compared:
        """Compute an asset's published partitions on both engines."""
        keys = tuple(sorted(filter(None, self.deployment.lake.records(asset.table))))
        if not self._is_published(asset):
            return Compared(asset.name, "not published")
        here = self._stager(self.deployment.embedded)
        attempt = self._attempt(here, asset, keys[: asset.partitions_of_a_run])
        home = f"{self.scratch}/{uuid4().hex}"
        attempt = replace(attempt, home=home)
        try:
            there = self._stager(self.athena).stage(attempt).manifest
            mine = here.stage(attempt).manifest
            return self._verdict(asset, attempt, mine, there)
        except PipelineError as error:
            verdict = "refused" if isinstance(error, NotOnAthenaError) else "failed"
            return Compared(asset.name, verdict, str(error).splitlines()[0])
        finally:
            store = self.deployment.store(home)
            store.delete([it.uri for it in store.list(home)])

    def _is_published(self, asset: LakeAsset) -> bool:
        needed = {spec.key for spec in asset.inputs if not spec.optional}
        tables = [it.table for it in self.assets if it.key in needed]
        return all(self.deployment.lake.records(table) for table in (asset.table, *tables))

    def _stager(self, engine: Engine) -> Stager:
        deployment, settings = self.deployment, self.deployment.settings
        return Stager(
            lake=deployment.lake,
            store=deployment.store(settings.lake_uri),
            engines=Engines(deployment.embedded, engine),
            part_bytes=settings.raw_part_bytes,
            landing_expansion=settings.landing_expansion,
            progress=SILENT,
        )

    def _attempt(self, stager: Stager, asset: LakeAsset, keys: tuple[str, ...]) -> Attempt:
        inputs = {spec.name: self._input(asset, spec, keys) for spec in asset.inputs}
        request = Request(keys, "athena-check", "", asset.config(), log=lambda _: None)
        return stager.attempt(asset, with_own(self.deployment.lake, asset, inputs), request)

    def _input(self, asset: LakeAsset, spec: InputSpec, keys: tuple[str, ...]) -> LazyTable:
        (upstream,) = (it for it in self.assets if it.key == spec.key)
        return input_of(self.deployment.lake, asset, spec, upstream, keys)

    def _verdict(
        self, asset: LakeAsset, attempt: Attempt, mine: Manifest, there: Manifest
    ) -> Compared:
        empty = sum(it.rows == 0 for it in attempt.records(mine).values())
        scanned = int(there.facts.get("scanned_bytes", 0))
        counts = (mine.rows, len(attempt.keys), empty, scanned)
        with self.deployment.embedded.connect(uses_s3=True) as connection:
            for name, manifest in (("here", mine), ("there", there)):
                files = tuple(SourceFile(file.uri) for file in manifest.files)
                schema = schema_names(asset.table.contract.schema)
                rows = source_query(Source("parquet", schema, files))
                connection.execute(f"CREATE VIEW {name} AS {rows}")
            for one, other in (("here", "there"), ("there", "here")):
                found = _only_in(connection, one, other)
                if found:
                    return Compared(asset.name, "differs", f"only {one}: {found}", *counts)
        told = _audit_differences(mine, there)
        return Compared(asset.name, "differs" if told else "equal", told, *counts)


def input_of(
    lake: Lake, asset: LakeAsset, spec: InputSpec, upstream: LakeAsset, keys: tuple[str, ...]
) -> LazyTable:
    """What a run of these partitions gets of an input: the partitions that feed them."""
    mapping = spec.partition_mapping
    if asset.partitioning is None or upstream.partitioning is None:
        return lazy_table(lake, spec, upstream.table, None)
    if mapping is None:
        return lazy_table(lake, spec, upstream.table, keys)
    if isinstance(mapping, dg.AllPartitionMapping):
        return lazy_table(lake, spec, upstream.table, None)
    among = sorted(lake.records(upstream.table))
    fed: set[str] = set()
    for key in keys:
        fed |= set(asset.partitioning.upstream_keys(key, upstream.partitioning, mapping, among))
    return lazy_table(lake, spec, upstream.table, tuple(sorted(fed)))


def _only_in(
    connection: duckdb.DuckDBPyConnection, one: str, other: str
) -> list[tuple[object, ...]]:
    return connection.execute(f"FROM {one} EXCEPT ALL FROM {other} LIMIT 3").fetchall()


def _audit_differences(mine: Manifest, there: Manifest) -> str:
    """Checks of which the engines count different numbers of failing rows."""
    found = {it.name: it.failed for it in mine.audits}
    other = {it.name: it.failed for it in there.audits}
    return "" if found == other else f"the audits count {found} here and {other} there"


def relational(assets: Iterable[LakeAsset]) -> Iterator[LakeAsset]:
    """The assets that an engine computes from an expression and keeps in the lake."""
    return (it for it in assets if it.kind == "expression")


def table_of(results: Iterable[Compared]) -> str:
    """The results as lines, and their number by verdict as the last one."""
    results = list(results)
    lines = [
        f"{it.name:36} {it.verdict:13} {it.rows:>9,} rows {it.partitions:>4} partitions "
        f"{it.scanned_bytes:>12,} bytes  {it.told}".rstrip()
        for it in results
    ]
    verdicts = sorted({it.verdict for it in results})
    counts = [f"{sum(it.verdict == each for it in results)} {each}" for each in verdicts]
    return "\n".join([*lines, ", ".join(counts)])


def chosen(assets: Sequence[LakeAsset], names: Sequence[str]) -> list[LakeAsset]:
    """The assets of these names, or all that an engine computes.

    Raises:
        PipelineError: There is none of a name.
    """
    computed = {it.name: it for it in relational(assets)}
    unknown = [name for name in names if name not in computed]
    if unknown:
        raise PipelineError(
            f"no engine computes {', '.join(unknown)}; name assets such as {next(iter(computed))}"
        )
    return [computed[name] for name in names or computed]


def check(settings: Settings, names: Sequence[str]) -> bool:
    """Compare assets of a lake and print what came of it; whether none differs or fails.

    Raises:
        PipelineError: The settings do not do, or nothing of the lake could be compared.
    """
    deployment = Deployment(settings.model_copy(update={"engine": "athena"}))
    assets = assets_for(settings, DATASETS.assets)
    scratch = f"{settings.lake_uri}/_checks"
    bench = Bench(deployment, deployment.engines.default, assets, scratch)
    results = []
    for asset in chosen(assets, names):
        click.echo(f"{asset.name} …", err=True)
        results.append(bench.compare(asset))
    click.echo(table_of(results))
    if {it.verdict for it in results} == {"not published"}:
        raise PipelineError(
            f"nothing of this is published in {settings.lake_uri}: run update first"
        )
    return not any(it.verdict in {"differs", "failed"} for it in results)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare assets of the environment's lake; the exit code says whether they agree."""
    parser = argparse.ArgumentParser(prog="make athena-check", description=__doc__)
    parser.add_argument("assets", nargs="*", help="such as ratings/filtered_ratings; all if none")
    names = parser.parse_args(arguments).assets
    obey_sigterm()
    with one_line_errors():
        sys.exit(not check(Settings.from_environment(), names))


if __name__ == "__main__":
    main()
