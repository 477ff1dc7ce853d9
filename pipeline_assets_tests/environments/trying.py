"""A lake of two tables, of which one is computed from the other, to try changes in."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import ibis.expr.types as ir
import pyarrow.parquet as pq

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.inputs import InputSpec
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.environments.environments import Environments
from pipeline_assets.environments.promotion import Promoted, Promotion
from pipeline_assets.iceberg.checksums import checksum_of
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.verification import verify
from pipeline_assets.storage.objects import LocalStore
from pipeline_assets_tests.landing.plays import PLAYS, local_lake, publish

TOTALS = LakeTable("music", "totals", PLAYS.contract, "day")


def nothing(plays: ir.Table) -> ir.Table:
    return plays


PLAYED = LakeAsset("expression", PLAYS, nothing, ())
TOTALLED = LakeAsset("expression", TOTALS, nothing, (InputSpec("plays", PLAYED.key, "table"),))
ASSETS = (TOTALLED, PLAYED)  # not in the order of their dependencies

Rows = dict[str, dict[str, int]]
BEFORE: Rows = {"mon": {"ada": 1}, "tue": {"ada": 2}}
CHANGED: Rows = {"mon": {"ada": 7, "bob": 1}}
AFTER: Rows = {**BEFORE, **CHANGED}


def published_lake(folder: Path) -> Lake:
    """Two days of both tables."""
    lake = local_lake(folder)
    publish(lake, BEFORE)
    publish(lake, BEFORE, table=TOTALS)
    return lake


def change(lake: Lake, tables: Sequence[LakeTable] = (PLAYS, TOTALS)) -> None:
    """Publish another Monday in an environment."""
    for table in tables:
        publish(lake, CHANGED, "v2", table)


def promote(environments: Environments, name: str) -> list[Promoted]:
    lake, own = environments.lake, environments.lake_in(name)
    return list(Promotion(lake, own, environments.read(name)).promote(ASSETS))


def rows(lake: Lake, table: LakeTable = PLAYS) -> Rows:
    """What the published files hold; every file is there, with the bytes that were written."""
    assert verify(lake, table, deep=True).damages == ()
    found: Rows = {}
    for file in lake.read(table).files:
        for row in pq.read_table(file, partitioning=None).to_pylist():
            found.setdefault(row["day"], {})[row["listener"]] = row["plays"]
    return found


def both(lake: Lake) -> Mapping[str, Rows]:
    return {str(table): rows(lake, table) for table in (PLAYS, TOTALS)}


def files_of_production(folder: Path) -> dict[str, object]:
    """Every data file of production, with its checksum."""
    store = LocalStore()
    uris = [str(it) for it in (folder / "music").rglob("data/**/*") if it.is_file()]
    return {uri: checksum_of(store, uri) for uri in uris}
