"""The rentals domain on a lake of its own: land reviews, fill a shop, update, read tables."""

import csv
import io
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.definitions import assets_for, build_definitions
from pipeline_assets.domains import rentals
from pipeline_assets.domains.rentals.assets import REVIEWS, user_behavior_metric
from pipeline_assets.domains.warehouse.assets import warehouse_load
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.partitions import DAYS
from pipeline_assets.postgres.connection import connect, execute
from pipeline_assets.settings import Settings
from pipeline_assets_tests.updating import read_lake, update

ASSETS = (*datasets_in(rentals).assets, warehouse_load(user_behavior_metric))
HEADER = ("cid", "review_str", "score")

# What dvdrental and Pagila share, and a customer, a film and a category to begin with.
SHOP = """
    CREATE TABLE customer (customer_id integer PRIMARY KEY);
    CREATE TABLE category (category_id integer PRIMARY KEY, name text);
    CREATE TABLE film (film_id integer PRIMARY KEY, title text);
    CREATE TABLE film_category (film_id integer, category_id integer);
    CREATE TABLE inventory (inventory_id integer PRIMARY KEY, film_id integer);
    CREATE TABLE rental (rental_id integer PRIMARY KEY, inventory_id integer, customer_id integer);
    CREATE TABLE payment (payment_id integer PRIMARY KEY, customer_id integer, rental_id integer,
                          amount numeric(7, 2), payment_date timestamp)"""
FILMS = """
    INSERT INTO customer VALUES (1), (2);
    INSERT INTO category VALUES (1, 'Drama'), (2, 'Horror');
    INSERT INTO film VALUES (1, 'Quiet River'), (2, 'Broken Storm');
    INSERT INTO film_category VALUES (1, 1), (1, 2), (2, 2);
    INSERT INTO inventory VALUES (1, 1), (2, 2)"""


@dataclass(frozen=True)
class World:
    settings: Settings
    instance: dg.DagsterInstance
    assets: tuple[LakeAsset, ...] = ASSETS

    @cached_property
    def updater(self) -> Updater:
        definitions = build_definitions(self.settings, assets=self.assets)
        assets = assets_for(self.settings, self.assets)
        source = REVIEWS.with_partitioning(DAYS, assets[0].partitioning or DAYS)
        return Updater(
            assets, [source], Deployment(self.settings), self.instance, definitions=definitions
        )

    def land(self, key: str, *rows: Sequence[object], header: Sequence[str] = HEADER) -> Path:
        text = io.StringIO(newline="")
        csv.writer(text).writerows([header, *rows])
        path = Path(self.settings.landing_uri, "movie_review", key, "movie_review.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.getvalue().encode())
        return path

    def stale(self, *names: str) -> list[str]:
        """What has to be materialised, of everything or of some tables."""
        updater = self.updater
        stale = updater.stale(updater.listings())
        return [
            f"{item.asset.table.name}[{item.key}]"
            for item in stale
            if not names or item.asset.table.name in names
        ]

    def update(self, *names: str) -> tuple[str, ...]:
        """Bring everything, or some tables, up to date; what failed."""
        Path(self.settings.landing_uri).mkdir(exist_ok=True)
        updated = update(self.updater, *names)
        return (*updated.problems, *updated.failures)

    def run(self, *names: str, keys: Sequence[str] = ()) -> dg.ExecuteInProcessResult:
        """Make some assets of any configured system, as the UI does, even if up to date."""
        job = self.updater.definitions.resolve_implicit_global_asset_job_def()
        idle = self.updater.outside().idle
        chosen = [item for item in self.assets if item.table.name in names]
        ends = {"dagster/asset_partition_range_start": keys[0]} if len(keys) > 1 else {}
        ends |= {"dagster/asset_partition_range_end": keys[-1]} if len(keys) > 1 else {}
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=[asset.key for asset in chosen if asset.name not in idle],
            partition_key=keys[0] if len(keys) == 1 else None,
            tags=ends,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return read_lake(self.settings, self.assets, sql)


def sql(dsn: SecretDsn, statements: str) -> list[dict[str, Any]]:
    """Run statements one after the other; the rows of the last one."""
    rows: list[dict[str, Any]] = []
    with closing(connect(dsn, autocommit=True)) as connection:
        for statement in statements.split(";"):
            rows = execute(connection, dsn, statement)
    return rows


def pay(shop: SecretDsn, number: int, customer: int, inventory: int, amount: str, at: str) -> None:
    sql(
        shop,
        f"INSERT INTO rental VALUES ({number}, {inventory}, {customer});"
        f"INSERT INTO payment VALUES ({number}, {customer}, {number}, {amount}, '{at}')",
    )
