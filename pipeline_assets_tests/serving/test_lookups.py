"""Two tables in the same rows: a customer's days, of which each table has some."""

from datetime import date

import duckdb

from pipeline_assets.reading.published_table import Column
from pipeline_assets.serving.lookups import Beside, Lookup, joined_sql

BESIDE = Beside("activity.did", "day")
LOOKUP = Lookup("/c/{key}", "rentals.paid", "customer_id", ("insert_date",), "", BESIDE)


def columns(**types: str) -> list[Column]:
    return [Column(name, type_, "") for name, type_ in types.items()]


def test_days_of_either_table_are_there_once() -> None:
    sql = joined_sql(
        LOOKUP,
        BESIDE,
        columns(customer_id="int32", amount="int32", insert_date="date32[day]"),
        columns(customer_id="int32", events="int32", day="date32[day]"),
    )
    with duckdb.connect() as connection:
        connection.execute(
            """
            CREATE SCHEMA rentals;
            CREATE SCHEMA activity;
            CREATE TABLE rentals.paid AS FROM (VALUES
                (1, 10, DATE '2026-01-01'), (1, 20, DATE '2026-01-02'), (2, 30, DATE '2026-01-01')
            ) AS it(customer_id, amount, insert_date);
            CREATE TABLE activity.did AS FROM (VALUES
                (1, 5, DATE '2026-01-02'), (1, 6, DATE '2026-01-03'), (3, 7, DATE '2026-01-01')
            ) AS it(customer_id, events, day);
            """
        )
        found = connection.execute(sql, ["1", "1"]).fetchall()
    assert found == [
        (1, date(2026, 1, 1), 10, None),
        (1, date(2026, 1, 2), 20, 5),
        (1, date(2026, 1, 3), None, 6),
    ]
