"""What is read from the shop's database: the schema that dvdrental and Pagila share.

Times are compared and handed out in UTC: a ``timestamp`` is taken for UTC, a ``timestamptz``
carries its zone. Joins are outer ones, and of a film's categories one is chosen, so that a payment
or a rental is a row, neither lost nor doubled.

When a film was rented is kept in ``rental_date`` by dvdrental, in ``rental_period`` by Pagila, and
nowhere by others. Where it is nowhere, a rental counts in the window of its first payment, or of
the rental before it if it was never paid for.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pipeline_assets.dataset.options import NOWHERE, WindowVersion
from pipeline_assets.dataset.partitioning import Window
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.landing.fields import WHOLE_ENDING
from pipeline_assets.postgres.read import Snapshot, snapshot

if TYPE_CHECKING:
    import pyarrow as pa

_FILMS: Final = """
    LEFT JOIN inventory AS i ON i.inventory_id = r.inventory_id
    LEFT JOIN film AS f ON f.film_id = i.film_id
    LEFT JOIN (SELECT film_id, min(category_id) AS category_id FROM film_category GROUP BY film_id)
        AS fc ON fc.film_id = f.film_id
    LEFT JOIN category AS c ON c.category_id = fc.category_id"""
_PAYMENTS: Final = "payment AS p"
_PAID_AT: Final = "p.payment_date"
PURCHASES: Final = f"""
    SELECT p.payment_id, p.customer_id, f.film_id, f.title, c.name AS category, p.amount,
           p.payment_date::timestamp AS purchased_at
    FROM payment AS p
    LEFT JOIN rental AS r ON r.rental_id = p.rental_id {_FILMS}"""  # noqa: S608 - constants
_REASON: Final = """
    CASE WHEN p.customer_id IS NULL THEN 'no_customer'
         WHEN p.amount IS NULL OR p.amount::text !~ '^-?[0-9]{1,13}([.][0-9]{1,5}0*)?$'
         THEN 'bad_amount' END"""
"""Why a payment cannot be used. A numeric may be NaN, infinite, or finer than any money."""
_REJECTED_PURCHASES: Final = f"""
    SELECT p.payment_id, {_REASON} AS reason,
           (p.payment_id, p.customer_id, p.rental_id, p.amount, p.payment_date)::text AS raw,
           p.payment_date::timestamp AS purchased_at
    FROM payment AS p"""  # noqa: S608 - constants
_PAYMENT_HASH: Final = "p.payment_id, p.customer_id, p.rental_id, p.amount, p.payment_date"

_DATES: Final = {
    "rental_date": "r.rental_date::timestamp",
    "rental_period": "lower(r.rental_period)::timestamp",
}
_DATE_COLUMNS: Final = """
    SELECT attname::text AS name FROM pg_attribute
    WHERE attrelid = to_regclass('rental') AND attname IN ('rental_date', 'rental_period')
        AND NOT attisdropped"""
_DATED: Final = """(
    SELECT r.rental_id, r.inventory_id, r.customer_id, {date} AS rented_at, {date} AS placed_at
    FROM rental AS r) AS r"""
_UNDATED: Final = """(
    SELECT rental_id, inventory_id, customer_id, NULL::timestamp AS rented_at,
           coalesce(first_value(paid_at) OVER (PARTITION BY paid_before ORDER BY rental_id),
                    min(paid_at) OVER ()) AS placed_at
    FROM (SELECT r.rental_id, r.inventory_id, r.customer_id, p.paid_at,
                 count(p.paid_at) OVER (ORDER BY r.rental_id) AS paid_before
          FROM rental AS r
          LEFT JOIN (SELECT rental_id, min(payment_date)::timestamp AS paid_at
                     FROM payment GROUP BY rental_id) AS p ON p.rental_id = r.rental_id
    ) AS numbered) AS r"""
_RENTALS: Final = """
    SELECT r.rental_id, r.customer_id, f.film_id, f.title, c.name AS category, r.rented_at,
           r.placed_at
    FROM {rented} {films}"""
_RENTAL_HASH: Final = "r.rental_id, r.inventory_id, r.customer_id, r.rented_at"
_WITHIN: Final = " WHERE {time} >= %(start)s AND {time} < %(end)s"
_VERSIONS: Final = """
    SELECT CASE WHEN isfinite({time}) AND {time} >= '0001-01-01' AND {time} < '9999-01-01'
                THEN date_trunc(%(unit)s, {time})::timestamp END AS start, count(*) AS rows,
           sum(hashtext(({values})::text)::bigint)::text AS hash
    FROM {rows} {within}
    GROUP BY 1"""
UNITS: Final = {timedelta(days=1): "day", timedelta(hours=1): "hour"}
KNOWN: Final = "SELECT customer_id FROM customer WHERE customer_id IN ({ids})"


def payment_versions(
    dsn: SecretDsn, length: timedelta, within: Window | None
) -> dict[datetime, WindowVersion]:
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
    with snapshot(dsn) as database:
        return _versions(database, _PAYMENTS, _PAID_AT, _PAYMENT_HASH, length, within)


def rental_versions(
    dsn: SecretDsn, length: timedelta, within: Window | None
) -> dict[datetime, WindowVersion]:
    """A fingerprint of the rentals of each window, as :func:`payment_versions` of payments."""
    with snapshot(dsn) as database:
        rows = _rented(database)
        return _versions(database, rows, "r.placed_at", _RENTAL_HASH, length, within)


def purchases(
    dsn: SecretDsn, windows: Mapping[str, Window], schema: "pa.Schema", column: str
) -> "Iterator[pa.RecordBatch]":
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
    query = f"{PURCHASES} {_WITHIN.format(time=_PAID_AT)} AND {_REASON} IS NULL"
    with snapshot(dsn) as database:
        yield from _windowed(database, query, "purchased_at", windows, schema, column)


def unusable_purchases(
    dsn: SecretDsn, windows: Mapping[str, Window], schema: "pa.Schema", column: str
) -> "Iterator[pa.RecordBatch]":
    """The payments that :func:`purchases` leaves out, with the reason."""
    query = f"{_REJECTED_PURCHASES} {_WITHIN.format(time=_PAID_AT)} AND {_REASON} IS NOT NULL"
    with snapshot(dsn) as database:
        yield from _windowed(database, query, "purchased_at", windows, schema, column)


def rentals(
    dsn: SecretDsn, windows: Mapping[str, Window], schema: "pa.Schema", column: str
) -> "Iterator[pa.RecordBatch]":
    """The rentals of adjoining windows, paid for or not; otherwise as :func:`purchases`."""
    with snapshot(dsn) as database:
        query = _RENTALS.format(rented=_rented(database), films=_FILMS)
        query += _WITHIN.format(time="r.placed_at")
        yield from _windowed(database, query, "placed_at", windows, schema, column)


def known_customers(database: Snapshot | None, cids: "pa.StringArray") -> "pa.BooleanArray":
    """Whether the shop knows each of these ids; null where one is no number it could know.

    Without a shop to ask, nothing is known of any of them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if database is None:
        return pa.nulls(len(cids), pa.bool_())
    digits = pc.replace_substring_regex(cids, WHOLE_ENDING, "")
    usable = pc.match_substring_regex(digits, r"^[0-9]{1,9}\z")
    numbers = pc.cast(pc.if_else(usable, digits, None), pa.int32())
    distinct = pc.drop_null(pc.unique(numbers)).to_pylist()
    if not distinct:
        return pa.nulls(len(cids), pa.bool_())
    query = KNOWN.format(ids=", ".join(map(str, distinct)))
    found = database.read(query, schema=pa.schema([("customer_id", pa.int32())])).read_all()
    known = pc.is_in(numbers, found["customer_id"].combine_chunks())
    return pc.if_else(pc.is_valid(numbers), known, None)


def _rented(database: Snapshot) -> str:
    """The rentals with the time that decides on their window, as this schema knows it."""
    found = database.read(_DATE_COLUMNS).read_all()["name"].to_pylist()
    dated = [_DATED.format(date=date) for name, date in _DATES.items() if name in found]
    return dated[0] if dated else _UNDATED


def _versions(
    database: Snapshot, rows: str, time: str, values: str, length: timedelta, within: Window | None
) -> dict[datetime, WindowVersion]:
    bounds = {"start": within[0], "end": within[1]} if within else {}
    where = _WITHIN.format(time=time) if within else ""
    query = _VERSIONS.format(rows=rows, time=time, values=values, within=where)
    found = database.read(query, {"unit": UNITS[length], **bounds}).read_all().to_pylist()
    return {
        row["start"].replace(tzinfo=UTC) if row["start"] else NOWHERE: WindowVersion(
            row["rows"], f"{row['rows']}-{row['hash']}"
        )
        for row in found
    }


def _span(windows: Mapping[str, Window]) -> dict[str, datetime]:
    starts, ends = zip(*windows.values(), strict=True)
    return {"start": min(starts), "end": max(ends)}


def _windowed(
    database: Snapshot,
    query: str,
    time: str,
    windows: Mapping[str, Window],
    schema: "pa.Schema",
    column: str,
) -> "Iterator[pa.RecordBatch]":
    """The rows of a query, each with the key of the window that its time falls into.

    The time need not be one of the schema's columns.
    """
    import pyarrow as pa

    fields = [field for field in schema if field.name != column]
    placed = [] if time in schema.names else [pa.field(time, pa.timestamp("us"))]
    starts = [start for start, _ in windows.values()]
    for batch in database.read(query, _span(windows), pa.schema([*fields, *placed])):
        keys = _keys_of(batch[time], list(windows), starts)
        yield batch.append_column(column, keys).select(schema.names).cast(schema)


def _keys_of(
    times: "pa.TimestampArray", keys: Sequence[str], starts: Sequence[datetime]
) -> "pa.StringArray":
    """The key of the window that each time falls into."""
    import numpy as np
    import pyarrow as pa

    borders = np.array([start.replace(tzinfo=None) for start in starts], "datetime64[us]")
    place = np.searchsorted(borders, times.to_numpy(zero_copy_only=False), side="right") - 1
    return pa.array(keys, pa.string()).take(pa.array(place))
