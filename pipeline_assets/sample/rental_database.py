"""Fills a Postgres database with the tables of a film rental shop, at any scale.

`rental_rows` says what is in the rows. The tables have the columns that both dvdrental and Pagila
have, the two published databases with this schema. Each table's comment names the sample that it
belongs to, so that a second call recognises its own tables and never touches those of others.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.connection import attempt, connect, execute, query_fault
from pipeline_assets.postgres.sql import identifier, literal
from pipeline_assets.sample.rental_rows import DAYS, END, SCHEMAS, Shop
from pipeline_assets.warehouses.postgres import POSTGRES
from pipeline_assets.warehouses.table import WarehouseTable

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi

MARKER: Final = "pipeline-assets sample: "
_WRITTEN: Final = re.compile(rf"{MARKER}scale (\S+), seed (\d+), (\d+) days to (\S+)")

UPDATED: Final = "last_update timestamp without time zone NOT NULL DEFAULT now()"
NULLABLE: Final = ("email", "length")
# Added after the rows, because sorting them once is cheaper than a million insertions in an index.
CONSTRAINTS: Final = (
    "ALTER TABLE category ADD PRIMARY KEY (category_id)",
    "ALTER TABLE customer ADD PRIMARY KEY (customer_id)",
    "ALTER TABLE film ADD PRIMARY KEY (film_id)",
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


def fill_rentals(
    dsn: SecretDsn, scale: float = 1.0, seed: int = 0, *, end: date = END, days: int = DAYS
) -> bool:
    """Create the shop's tables in a database and fill them, in one transaction.

    A sample of the same shop that ends earlier is written anew, with the same days and more.

    Args:
        dsn: The database; the tables go to its default schema.
        scale: 1 is 600 customers and some 190 payments a day.
        seed: Another seed gives another shop of the same size.
        end: The day after the last payment, UTC.
        days: How many days of payments.

    Returns:
        Whether this call filled the database; otherwise it holds the same sample already.

    Raises:
        PipelineError: The server does not answer, or the database holds another sample or somebody
            else's tables of these names.
    """
    shop = Shop(scale, seed, end, days)
    with closing(connect(dsn)) as connection:
        run = partial(execute, connection, dsn)
        run(_LOCK)
        comments = _comments(connection, dsn)
        _refuse_others(dsn, shop, comments)
        is_there = comments == {_marker(shop)}
        if not is_there:
            for name in SCHEMAS if comments else ():
                run(f"DROP TABLE {identifier(name)} CASCADE")
            _create(connection, dsn, shop)
        attempt(connection.commit, partial(query_fault, dsn))
    return not is_there


def first_day_of_sample(dsn: SecretDsn, scale: float, seed: int) -> date | None:
    """The first day of the sample of this scale and seed that a database holds, if it does."""
    with closing(connect(dsn)) as connection:
        shops = [_shop_of(comment) for comment in _comments(connection, dsn)]
    found = {shop.date(0) for shop in shops if shop and (shop.scale, shop.seed) == (scale, seed)}
    return min(found, default=None)


def _comments(connection: "dbapi.Connection", dsn: SecretDsn) -> set[str]:
    """What is written on the tables that have the names of a sample's."""
    names = ", ".join(map(literal, SCHEMAS))
    found = execute(connection, dsn, _FIND_TABLES.format(names=names))
    return {str(row["comment"]) for row in found}


def _shop_of(comment: str) -> Shop | None:
    found = _WRITTEN.fullmatch(comment)
    if found is None:
        return None
    scale, seed, days, end = found.groups()
    return Shop(float(scale), int(seed), date.fromisoformat(end), int(days))


def _goes_on_as(earlier: Shop | None, shop: Shop) -> bool:
    """Whether a shop is an earlier one that has been open for some days more."""
    if earlier is None or earlier.end > shop.end:
        return False
    more = (shop.end - earlier.end) // timedelta(days=1)
    return shop == Shop(earlier.scale, earlier.seed, shop.end, earlier.days + more)


def _refuse_others(dsn: SecretDsn, shop: Shop, comments: set[str]) -> None:
    if not all(comment.startswith(MARKER) for comment in comments):
        raise PipelineError(f"{dsn.where} has such tables of its own; fill an empty database")
    if not all(_goes_on_as(_shop_of(comment), shop) for comment in comments):
        raise PipelineError(
            f"{dsn.where} holds another sample ({min(comments).removeprefix(MARKER)}) than the "
            f"wanted one ({_marker(shop).removeprefix(MARKER)}); fill an empty database"
        )


def _marker(shop: Shop) -> str:
    return f"{MARKER}scale {shop.scale}, seed {shop.seed}, {shop.days} days to {shop.end}"


def _create(connection: "dbapi.Connection", dsn: SecretDsn, shop: Shop) -> None:
    run = partial(execute, connection, dsn)
    for name in SCHEMAS:
        run(f"CREATE TABLE {identifier(name)} ({', '.join(_columns(name))})")
    for name, rows in _all_rows(shop):
        reader = pa.RecordBatchReader.from_batches(SCHEMAS[name], rows)
        with closing(connection.cursor()) as cursor:
            ingest = partial(cursor.adbc_ingest, name, reader, mode="append")
            attempt(ingest, partial(query_fault, dsn))
    for statement in CONSTRAINTS:
        run(statement)
    for name in SCHEMAS:
        run(f"COMMENT ON TABLE {identifier(name)} IS {literal(_marker(shop))}")


def _columns(name: str) -> Iterator[str]:
    schema = SCHEMAS[name]
    table = WarehouseTable("public", name, schema, partition=schema.names[0])
    for column, sql_type in POSTGRES.sql_types(table).items():
        yield f"{identifier(column)} {sql_type}{'' if column in NULLABLE else ' NOT NULL'}"
    if name != "payment":
        yield UPDATED


def _all_rows(shop: Shop) -> Iterator[tuple[str, Iterable[pa.RecordBatch]]]:
    yield from ((name, [rows]) for name, rows in shop.masters().items())
    yield "rental", (shop.day(number).rentals for number in range(shop.days))
    yield "payment", (shop.day(number).payments for number in range(shop.days))
