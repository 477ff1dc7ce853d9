"""The questions that people ask by key, and the statements that answer them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline_assets.engines.embedded.duckdb_sql import sql_type
from pipeline_assets.engines.standard_sql import identifier
from pipeline_assets.reading.published_table import Column

_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True)
class Beside:
    """A table whose columns stand beside the rows of a lookup, day by day.

    Attributes:
        table: ``domain.name``. It has at most one row for a key and a day.
        key: The column that the key is compared with.
        day: Its column of the UTC day.
        of_day: The column of the lookup's own table that the day is compared with. It may hold an
            hour, such as ``2026-01-01T05``, which is one of its day.
    """

    table: str
    key: str
    day: str
    of_day: str


@dataclass(frozen=True)
class Lookup:
    """Rows of a table by a key.

    Attributes:
        path: Of the route; its variable is the key.
        table: ``domain.name``.
        key: The column that the key is compared with.
        order: Columns that the rows are ordered by.
        summary: What the rows are.
        is_keyed: Whether rows of the table are published by this key to DynamoDB.
        is_number: Whether the key is one.
        beside: Another table that is joined, where it is published and the caller may read it.
    """

    path: str
    table: str
    key: str
    order: tuple[str, ...]
    summary: str
    is_keyed: bool = False
    is_number: bool = False
    beside: Beside | None = None

    def key_text(self, key: str) -> str | None:
        """The key as it is published; None if it can be no key of this table."""
        if not self.is_number:
            return key
        return str(int(key)) if _NUMBER.fullmatch(key) else None


LOOKUPS: Final = (
    Lookup(
        "/countries/{key}/artists",
        "music.artist_rank_in_country",
        "country",
        ("snapshot", "rank"),
        "The artists of a country, most played first.",
    ),
    Lookup(
        "/artists/{key}/countries",
        "music.country_rank_per_artist",
        "artist_name",
        ("snapshot", "rank"),
        "The countries of an artist, the most devoted first.",
        is_keyed=True,
    ),
    Lookup(
        "/artists/{key}/neighbours",
        "music.similar_artists",
        "artist_name",
        ("snapshot", "rank"),
        "The artists that are listened to most like an artist.",
        is_keyed=True,
    ),
    Lookup(
        "/customers/{key}/behaviour",
        "rentals.user_behavior_metric",
        "customer_id",
        ("insert_date",),
        "What a customer rented and wrote, day by day, and what he watched and did that day.",
        is_keyed=True,
        is_number=True,
        beside=Beside("activity.customer_activity", "customer_id", "day", "insert_date"),
    ),
    Lookup(
        "/customers/{key}/activity",
        "activity.customer_activity",
        "customer_id",
        ("day",),
        "What a customer watched and did, day by day.",
    ),
    Lookup(
        "/products/{key}/ratings",
        "ratings.filtered_ratings",
        "product_id",
        ("category", "customer_id"),
        "The ratings of a product.",
    ),
)


def rows_sql(table: str, filters: Sequence[Column], order: Sequence[str]) -> str:
    """A statement for the rows whose columns equal its parameters.

    Args:
        table: ``domain.name``.
        filters: The columns, in the order of the parameters, which are text.
        order: Columns that the rows are ordered by.
    """
    domain, _, name = table.partition(".")
    rows = f"FROM {identifier(domain)}.{identifier(name)}"
    if filters:
        rows += " WHERE " + " AND ".join(
            f"{identifier(it.name)} = CAST(? AS {sql_type(it.type)})" for it in filters
        )
    return rows + (f" ORDER BY {', '.join(map(identifier, order))}" if order else "")


def joined_sql(lookup: Lookup, beside: Beside, columns: Mapping[str, Sequence[Column]]) -> str:
    """A statement for the rows of a key, with those of another table beside them.

    The key is both of its parameters. Every row of the lookup is there once; what the other table
    does not have is null.

    Args:
        lookup: Which rows.
        beside: The other table.
        columns: Of both tables, by name.
    """
    own = rows_sql(lookup.table, [_column(columns[lookup.table], lookup.key)], ())
    other = rows_sql(beside.table, [_column(columns[beside.table], beside.key)], ())
    known = f"{identifier(beside.key)}, {identifier(beside.day)}"
    day = f"left(CAST(own.{identifier(beside.of_day)} AS VARCHAR), 10)"
    return (
        f"FROM ({own}) AS own LEFT JOIN ({other}) AS other "
        f"ON {day} = CAST(other.{identifier(beside.day)} AS VARCHAR) "
        f"SELECT own.*, other.* EXCLUDE ({known}) "
        f"ORDER BY {', '.join(f'own.{identifier(it)}' for it in lookup.order)}"
    )


def key_sql(lookup: Lookup, columns: Sequence[Column]) -> str:
    """A statement for the rows of a key, which is its parameter."""
    return rows_sql(lookup.table, [_column(columns, lookup.key)], lookup.order)


def _column(columns: Sequence[Column], name: str) -> Column:
    return next(column for column in columns if column.name == name)


def filterable(columns: Sequence[Column]) -> list[Column]:
    """The columns that rows can be asked for by; lists and bytes are none."""
    return [it for it in columns if not it.type.startswith("list") and it.type != "binary"]
