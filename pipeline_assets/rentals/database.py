"""What is read from the shop's database: the schema that dvdrental and Pagila share.

Times are compared and handed out in UTC: a ``timestamp`` is taken for UTC, a ``timestamptz``
carries its zone. Joins are outer ones, and of a film's categories one is chosen, so that a payment
is a row, neither lost nor doubled.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_assets.lake.dsn import SecretDsn
from pipeline_assets.lake.partitioning import Window
from pipeline_assets.lake.postgres import Snapshot, snapshot

PURCHASES: Final = """
    SELECT p.payment_id, p.customer_id, f.film_id, f.title, c.name AS category, p.amount,
           p.payment_date::timestamp AS purchased_at
    FROM payment AS p
    LEFT JOIN rental AS r ON r.rental_id = p.rental_id
    LEFT JOIN inventory AS i ON i.inventory_id = r.inventory_id
    LEFT JOIN film AS f ON f.film_id = i.film_id
    LEFT JOIN (SELECT film_id, min(category_id) AS category_id FROM film_category GROUP BY film_id)
        AS fc ON fc.film_id = f.film_id
    LEFT JOIN category AS c ON c.category_id = fc.category_id
    WHERE p.payment_date >= %(start)s AND p.payment_date < %(end)s"""
EXTENT: Final = """
    SELECT min(payment_date)::timestamp AS first, max(payment_date)::timestamp AS last
    FROM payment"""
KNOWN: Final = "SELECT customer_id FROM customer WHERE customer_id IN ({ids})"


def first_and_last_payment(dsn: SecretDsn) -> Window | None:
    """When the first and the last payment was made; None if there is none.

    Raises:
        PipelineError: The database cannot be reached or lacks the table.
    """
    with snapshot(dsn) as database:
        (row,) = database.read(EXTENT).read_all().to_pylist()
    first, last = row["first"], row["last"]
    return (first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)) if first else None


def purchases(
    dsn: SecretDsn, windows: Mapping[str, Window], schema: pa.Schema, column: str
) -> Iterator[pa.RecordBatch]:
    """The payments of adjoining windows, from one snapshot, in bounded memory.

    Args:
        dsn: The shop's database.
        windows: Partition key to half-open window, in the order of time.
        schema: Of the batches.
        column: Gets the partition key.

    Raises:
        PipelineError: The database cannot be reached, lacks a table or column, or holds a value
            that does not fit its column.
    """
    starts = [start for start, _ in windows.values()]
    bounds = {"start": starts[0], "end": max(end for _, end in windows.values())}
    wanted = pa.schema([field for field in schema if field.name != column])
    with snapshot(dsn) as database:
        for batch in database.read(PURCHASES, bounds, wanted):
            keys = _keys_of(batch["purchased_at"], list(windows), starts)
            yield batch.append_column(column, keys).select(schema.names).cast(schema)


def known_customers(database: Snapshot, cids: pa.StringArray) -> pa.BooleanArray:
    """Whether the shop knows each of these ids; null where one is no number it could know."""
    usable = pc.match_substring_regex(cids, r"^[0-9]{1,9}\z")
    numbers = pc.cast(pc.if_else(usable, cids, None), pa.int32())
    distinct = pc.drop_null(pc.unique(numbers)).to_pylist()
    if not distinct:
        return pa.nulls(len(cids), pa.bool_())
    query = KNOWN.format(ids=", ".join(map(str, distinct)))
    found = database.read(query, schema=pa.schema([("customer_id", pa.int32())])).read_all()
    known = pc.is_in(numbers, found["customer_id"].combine_chunks())
    return pc.if_else(pc.is_valid(numbers), known, None)


def _keys_of(
    times: pa.TimestampArray, keys: Sequence[str], starts: Sequence[datetime]
) -> pa.StringArray:
    """The key of the window that each time falls into."""
    borders = np.array([start.replace(tzinfo=None) for start in starts], "datetime64[us]")
    place = np.searchsorted(borders, times.to_numpy(zero_copy_only=False), side="right") - 1
    return pa.array(keys, pa.string()).take(pa.array(place))
