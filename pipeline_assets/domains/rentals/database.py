"""What is read from the shop's database: the schema that dvdrental and Pagila share.

Times are compared and handed out in UTC: a ``timestamp`` is taken for UTC, a ``timestamptz``
carries its zone. Joins are outer ones, and of a film's categories one is chosen, so that a payment
is a row, neither lost nor doubled.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_assets.dataset.partitioning import Window
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.postgres.read import Snapshot, snapshot

WITHIN: Final = "WHERE p.payment_date >= %(start)s AND p.payment_date < %(end)s"
PURCHASES: Final = f"""
    SELECT p.payment_id, p.customer_id, f.film_id, f.title, c.name AS category, p.amount,
           p.payment_date::timestamp AS purchased_at
    FROM payment AS p
    LEFT JOIN rental AS r ON r.rental_id = p.rental_id
    LEFT JOIN inventory AS i ON i.inventory_id = r.inventory_id
    LEFT JOIN film AS f ON f.film_id = i.film_id
    LEFT JOIN (SELECT film_id, min(category_id) AS category_id FROM film_category GROUP BY film_id)
        AS fc ON fc.film_id = f.film_id
    LEFT JOIN category AS c ON c.category_id = fc.category_id
    {WITHIN}"""  # noqa: S608 - constants
VERSIONS: Final = """
    SELECT date_trunc(%(unit)s, p.payment_date)::timestamp AS start, count(*)::text || '-' ||
           sum(hashtext((p.payment_id, p.customer_id, p.rental_id, p.amount, p.payment_date)::text)
               ::bigint) AS version
    FROM payment AS p
    {within}
    GROUP BY 1"""
UNITS: Final = {timedelta(days=1): "day", timedelta(hours=1): "hour"}
KNOWN: Final = "SELECT customer_id FROM customer WHERE customer_id IN ({ids})"


def payment_versions(
    dsn: SecretDsn, length: timedelta, within: Window | None
) -> dict[datetime, str]:
    """A fingerprint of the payments of each window that has any, by its start in UTC.

    It changes with the number of payments and with any value of one that the database keeps in
    ``payment``; the films behind them are looked at when payments are.

    Args:
        dsn: The shop's database.
        length: Of a window; a day or an hour.
        within: The half-open span to look at; None for all.

    Raises:
        PipelineError: The database cannot be reached or lacks the table or a column.
    """
    bounds = {"start": within[0], "end": within[1]} if within else {}
    query = VERSIONS.format(within=WITHIN if within else "")
    with snapshot(dsn) as database:
        found = database.read(query, {"unit": UNITS[length], **bounds}).read_all().to_pylist()
    return {row["start"].replace(tzinfo=UTC): row["version"] for row in found}


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
