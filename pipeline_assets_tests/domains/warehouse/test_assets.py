"""Tables of the lake in the warehouse: equal rows, replaced whole, told in one line."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets import domains
from pipeline_assets.command.batches import batches
from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.dataset.values.destinations import LoadedTable
from pipeline_assets.dataset.values.dsn import SecretDsn, keyword_dsn
from pipeline_assets.definitions import DATASETS, build_definitions
from pipeline_assets.domains.rentals.assets import user_behavior_metric
from pipeline_assets.domains.taobao import assets as taobao
from pipeline_assets.domains.warehouse.assets import warehouse_load
from pipeline_assets.exports.warehouse import table_of
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.told import register
from pipeline_assets.reading.query import query
from pipeline_assets.sample.taobao import write_taobao
from pipeline_assets.settings import Settings
from pipeline_assets.warehouses.postgres import POSTGRES
from pipeline_assets.warehouses.redshift.sql import REDSHIFT
from pipeline_assets.warehouses.statements import Statements
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.domains.rentals.world import sql

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

TAOBAO = tuple(
    it for it in datasets_in(domains.taobao).assets if "training" not in it.function.__module__
)
TABLES = [asset.table.name for asset in TAOBAO if asset.to_warehouse]
ASSETS = (*TAOBAO, *(warehouse_load(asset) for asset in TAOBAO if asset.to_warehouse))
LOADED = {
    "taobao.impressions",
    "taobao.core_features",
    "taobao.common_features_summary",
    "taobao.common_features",
    "rentals.user_purchases",
    "rentals.classified_movie_reviews",
    "rentals.user_behavior_metric",
}


@pytest.fixture
def settings(make_settings: MakeSettings, tmp_path: Path, postgres_dsn: SecretDsn) -> Settings:
    write_taobao(tmp_path / "landing", scale=0.02)
    return make_settings(warehouse_dsn=postgres_dsn.reveal())


@pytest.fixture
def updater(settings: Settings, instance: dg.DagsterInstance) -> Updater:
    definitions = build_definitions(settings, assets=ASSETS)
    return Updater(
        ASSETS, [taobao.ARCHIVES], Deployment(settings), instance, definitions=definitions
    )


def update(updater: Updater) -> Iterator[str]:
    listings = updater.listings()
    register(updater.instance, updater.sources, listings)
    for outcome in updater.run(batches(updater.stale(listings))):
        yield from outcome.failures


def in_lake(settings: Settings, statement: str) -> list[tuple[str, ...]]:
    deployment = Deployment(settings)
    tables = [asset.table for asset in ASSETS]
    with query(statement, deployment.lake, tables, deployment.embedded) as answer:
        return [tuple(map(number, row)) for row in answer.rows]


def number(value: object) -> str:
    """Postgres sums whole numbers as numeric, which arrives as text."""
    return str(Decimal(repr(value))) if isinstance(value, float) else str(value)


def test_schema_keys_and_comments_come_from_the_contract(
    updater: Updater, postgres_dsn: SecretDsn
) -> None:
    assert list(update(updater)) == []
    columns = sql(
        postgres_dsn,
        "SELECT column_name::text AS name, data_type::text AS type FROM information_schema.columns "
        "WHERE table_schema = 'taobao' AND table_name = 'core_features' ORDER BY ordinal_position",
    )
    assert {row["name"]: row["type"] for row in columns} == {
        "sample_id": "bigint",
        "feature_name": "text",
        "feature_id": "bigint",
        "feature_value": "double precision",
        "split": "text",
    }
    (comment,) = sql(postgres_dsn, "SELECT obj_description('taobao.impressions'::regclass) AS said")
    assert comment["said"].startswith("One row per impression")


def test_a_column_of_another_type_is_an_error_and_nothing_is_listed(
    updater: Updater, settings: Settings, postgres_dsn: SecretDsn
) -> None:
    sql(postgres_dsn, "CREATE SCHEMA taobao; CREATE TABLE taobao.impressions (sample_id text)")
    failures = list(update(updater))
    assert len(failures) == 2
    assert all("column 'sample_id' is text there and bigint in the contract" in f for f in failures)
    assert in_lake(settings, "select * from warehouse.impressions") == []
    assert len(in_lake(settings, "select * from warehouse.core_features")) == 2


def test_a_wrong_place_is_told_in_one_line_without_the_password(
    make_settings: MakeSettings, tmp_path: Path, instance: dg.DagsterInstance, closed_port: int
) -> None:
    write_taobao(tmp_path / "landing", scale=0.02)
    options = {"host": "127.0.0.1", "port": str(closed_port), "user": "me", "dbname": "w"}
    settings = make_settings(warehouse_dsn=keyword_dsn({**options, "password": "hunter2-secret"}))
    definitions = build_definitions(settings, assets=ASSETS)
    updater = Updater(
        ASSETS, [taobao.ARCHIVES], Deployment(settings), instance, definitions=definitions
    )
    failures = list(update(updater))
    assert len(failures) == 2 * len(TABLES)
    assert all("database 'w' at 127.0.0.1" in failure for failure in failures)
    logs = [str(log) for run in instance.get_runs() for log in instance.all_logs(run.run_id)]
    assert "hunter2-secret" not in "".join([*failures, *logs, repr(settings)])


@pytest.mark.parametrize("statements", [POSTGRES, REDSHIFT], ids=["postgres", "redshift"])
def test_every_loaded_table_has_types_in_every_warehouse(statements: Statements) -> None:
    loaded = [asset for asset in DATASETS.assets if isinstance(asset.export, LoadedTable)]
    names = {asset.export.place for asset in loaded if asset.export}
    assert names == LOADED
    for asset in loaded:
        assert isinstance(asset.export, LoadedTable)
        table = table_of(asset.export)
        assert statements.sql_types(table).keys() == set(table.columns.names)


def test_a_table_without_partitions_cannot_be_loaded() -> None:
    whole = replace(user_behavior_metric.table, partition_column=None)
    with pytest.raises(ValueError, match="no partitions"):
        warehouse_load(replace(user_behavior_metric, table=whole))
