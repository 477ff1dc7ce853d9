"""The rental shop's tables in a Postgres database, at any scale; see `rental_rows` for the rows."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Final, TypeAlias

import pyarrow as pa
from adbc_driver_manager import dbapi

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.connection import attempt, connect, execute, query_fault
from pipeline_assets.postgres.sql import identifier, literal
from pipeline_assets.sample.rental_rows import DAYS, END, SCHEMAS, Shop

Run: TypeAlias = Callable[[str], list[dict[str, Any]]]

MARKER: Final = "pipeline-assets sample: "

# What dvdrental and Pagila share; see `SCHEMAS` for the columns.
TABLES: Final = (
    "CREATE TABLE category (category_id integer PRIMARY KEY, name text NOT NULL, {updated})",
    "CREATE TABLE customer (customer_id integer PRIMARY KEY, store_id smallint NOT NULL, first_name"
    " text NOT NULL, last_name text NOT NULL, email text, activebool boolean NOT NULL, create_date"
    " date NOT NULL, {updated})",
    "CREATE TABLE film (film_id integer PRIMARY KEY, title text NOT NULL, rental_duration smallint"
    " NOT NULL, length smallint, {updated})",
    "CREATE TABLE film_category (film_id smallint NOT NULL, category_id smallint NOT NULL,"
    " {updated})",
    "CREATE TABLE inventory (inventory_id integer NOT NULL, film_id integer NOT NULL, store_id"
    " smallint NOT NULL, {updated})",
    "CREATE TABLE rental (rental_id integer NOT NULL, inventory_id integer NOT NULL, customer_id"
    " integer NOT NULL, staff_id smallint NOT NULL, {updated})",
    "CREATE TABLE payment (payment_id integer NOT NULL, customer_id integer NOT NULL, staff_id"
    " smallint NOT NULL, rental_id integer NOT NULL, amount numeric(5, 2) NOT NULL, payment_date"
    " timestamp without time zone NOT NULL)",
)
UPDATED: Final = "last_update timestamp without time zone NOT NULL DEFAULT now()"
# After the rows: one sort is cheaper than a million insertions.
CONSTRAINTS: Final = (
    "ALTER TABLE film_category ADD PRIMARY KEY (film_id, category_id)",
    "ALTER TABLE inventory ADD PRIMARY KEY (inventory_id)",
    "ALTER TABLE rental ADD PRIMARY KEY (rental_id)",
    "ALTER TABLE payment ADD PRIMARY KEY (payment_id)",
    "ALTER TABLE film_category ADD FOREIGN KEY (film_id) REFERENCES film",
    "ALTER TABLE film_category ADD FOREIGN KEY (category_id) REFERENCES category",
    "ALTER TABLE inventory ADD FOREIGN KEY (film_id) REFERENCES film",
    "ALTER TABLE rental ADD FOREIGN KEY (inventory_id) REFERENCES inventory",
    "ALTER TABLE rental ADD FOREIGN KEY (customer_id) REFERENCES customer",
    "ALTER TABLE payment ADD FOREIGN KEY (rental_id) REFERENCES rental",
    "ALTER TABLE payment ADD FOREIGN KEY (customer_id) REFERENCES customer",
    "CREATE INDEX ON payment (payment_date)",
)
_LOCK: Final = "SELECT 1 AS one FROM pg_advisory_xact_lock(hashtextextended('rentals sample', 0))"
_FIND_TABLES: Final = """
    SELECT obj_description(oid, 'pg_class') AS comment FROM pg_class
    WHERE relname IN ({names}) AND relnamespace = current_schema::regnamespace"""


@dataclass(frozen=True)
class FillReport:
    """What a database holds now.

    Attributes:
        created: This call filled it; otherwise it was filled before.
        customers: Rows of ``customer``.
        films: Rows of ``film``.
        payments: Rows of ``payment``, and of ``rental``.
    """

    created: bool
    customers: int
    films: int
    payments: int


def fill_rentals(
    dsn: SecretDsn,
    scale: float = 1.0,
    seed: int = 0,
    *,
    end: date = END,
    days: int = DAYS,
    recreate: bool = False,
) -> FillReport:
    """Create the dvdrental tables in a database and fill them, all or nothing.

    A database that holds the same sample is left alone.

    Args:
        dsn: The database; the tables go to its default schema.
        scale: 1 is 600 customers and some 190 payments a day.
        seed: Which of the shops of that size.
        end: The day after the last payment, UTC.
        days: How many days of payments.
        recreate: Drop an earlier sample first. Tables that aren't a sample's are never dropped.

    Raises:
        PipelineError: No connection; another sample, or tables of somebody else, are there.
    """
    shop = Shop(scale, seed, end, days)
    with closing(connect(dsn)) as connection:
        run = partial(execute, connection, dsn)
        run(_LOCK)
        comments = _comments(run)
        created = _must_fill(dsn, shop, comments, recreate)
        if created and comments:
            run(f"DROP TABLE {', '.join(SCHEMAS)}")
        if created:
            _create(connection, dsn, shop)
        attempt(connection.commit, partial(query_fault, dsn))
    return FillReport(created, shop.customer_count, shop.film_count, int(shop.counts.sum()))


def _must_fill(dsn: SecretDsn, shop: Shop, comments: set[str], recreate: bool) -> bool:
    """Whether the tables whose comments these are must be made.

    Raises:
        PipelineError: They are not this sample's, and not to be replaced.
    """
    if not all(comment.startswith(MARKER) for comment in comments):
        raise PipelineError(f"{dsn.where} has such tables of its own; fill an empty database")
    if comments - {_marker(shop)} and not recreate:
        raise PipelineError(
            f"{dsn.where} holds another sample ({min(comments).removeprefix(MARKER)}) than the "
            f"wanted one ({_marker(shop).removeprefix(MARKER)}); ask to recreate it"
        )
    return recreate or not comments


def _marker(shop: Shop) -> str:
    return f"{MARKER}scale {shop.scale}, seed {shop.seed}, {shop.days} days to {shop.end}"


def _comments(run: Run) -> set[str]:
    names = ", ".join(map(literal, SCHEMAS))
    return {str(row["comment"]) for row in run(_FIND_TABLES.format(names=names))}


def _create(connection: dbapi.Connection, dsn: SecretDsn, shop: Shop) -> None:
    run = partial(execute, connection, dsn)
    for table in TABLES:
        run(table.format(updated=UPDATED))
    for name, rows in _all_rows(shop):
        _copy(connection, dsn, name, rows)
    for statement in CONSTRAINTS:
        run(statement)
    for name in SCHEMAS:
        run(f"COMMENT ON TABLE {identifier(name)} IS {literal(_marker(shop))}")


def _all_rows(shop: Shop) -> Iterator[tuple[str, Iterable[pa.RecordBatch]]]:
    yield from ((name, [rows]) for name, rows in shop.masters().items())
    yield "rental", (shop.day(number).rentals for number in range(shop.days))
    yield "payment", (shop.day(number).payments for number in range(shop.days))


def _copy(
    connection: dbapi.Connection, dsn: SecretDsn, table: str, rows: Iterable[pa.RecordBatch]
) -> None:
    reader = pa.RecordBatchReader.from_batches(SCHEMAS[table], rows)
    with closing(connection.cursor()) as cursor:
        attempt(lambda: cursor.adbc_ingest(table, reader, mode="append"), partial(query_fault, dsn))
