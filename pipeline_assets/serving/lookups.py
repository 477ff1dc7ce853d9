"""The questions that people ask by key, each over one table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline_assets.engines.embedded.duckdb_sql import sql_type
from pipeline_assets.engines.standard_sql import identifier
from pipeline_assets.reading.published_table import Column


@dataclass(frozen=True)
class Beside:
    """Another table, each of whose rows is shown in the row of the same key and the same order.

    Attributes:
        table: ``domain.name``; no column of it is called like one of the first table, but the key.
        order: Its column that is compared with the one that the first table is ordered by.
    """

    table: str
    order: str


@dataclass(frozen=True)
class Lookup:
    """Rows of a table by a key.

    Attributes:
        path: Of the route; its variable is the key.
        table: ``domain.name``.
        key: The column that the key is compared with.
        order: Columns that the rows are ordered by.
        summary: What the rows are.
        beside: What is shown in the same rows, where it is published and the caller may read it.
    """

    path: str
    table: str
    key: str
    order: tuple[str, ...]
    summary: str
    beside: Beside | None = None


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
    ),
    Lookup(
        "/artists/{key}/neighbours",
        "music.similar_artists",
        "artist_name",
        ("snapshot", "rank"),
        "The artists that are listened to most like an artist.",
    ),
    Lookup(
        "/customers/{key}/behaviour",
        "rentals.user_behavior_metric",
        "customer_id",
        ("insert_date",),
        "What a customer rented and wrote, and beside it what he watched and did, day by day.",
        Beside("activity.customer_activity", "day"),
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


def joined_sql(
    lookup: Lookup, beside: Beside, columns: Sequence[Column], others: Sequence[Column]
) -> str:
    """A statement for the rows of both tables by the key, which is given twice.

    Args:
        lookup: Names the first table.
        beside: Names the second one.
        columns: Of the first table.
        others: Of the second.
    """
    key, (order,) = lookup.key, lookup.order
    of_key = [it for it in columns if it.name == key]
    both = {key: key, order: beside.order}
    first, second = (rows_sql(table, of_key, ()) for table in (lookup.table, beside.table))
    selected = [
        *(f"COALESCE(a.{identifier(own)}, b.{identifier(its)}) AS {identifier(own)}"
          for own, its in both.items()),
        *(f"a.{identifier(it.name)}" for it in columns if it.name not in both),
        *(f"b.{identifier(it.name)}" for it in others if it.name not in both.values()),
    ]  # fmt: skip
    condition = f"a.{identifier(order)} = b.{identifier(beside.order)}"
    shown = f"SELECT {', '.join(selected)} FROM ({first}) AS a FULL JOIN ({second}) AS b "  # noqa: S608
    return f"{shown}ON {condition} ORDER BY {identifier(order)}"


def filterable(columns: Sequence[Column]) -> list[Column]:
    """The columns that rows can be asked for by; lists and bytes are none."""
    return [it for it in columns if not it.type.startswith("list") and it.type != "binary"]
