"""The format of Amazon's review files, and how their records become typed rows.

Format: the data set's own description (Amazon Customer Reviews, 1995 to 2015). Tab-separated, one
record per line, a header, 15 columns, no quote and no escape character. Dates are ISO 8601.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.landing.delimited import Columns
from pipeline_assets.landing.records import MAX_RAW_CHARACTERS

COLUMNS: Final = Columns(
    (
        "marketplace",
        "customer_id",
        "review_id",
        "product_id",
        "product_parent",
        "product_title",
        "product_category",
        "star_rating",
        "helpful_votes",
        "total_votes",
        "vine",
        "verified_purchase",
        "review_headline",
        "review_body",
        "review_date",
    )
)
_TYPES: Final = {
    "star_rating": "int32",
    "helpful_votes": "int32",
    "total_votes": "int32",
    "review_date": "date",
}
# Patterns before casts, because engines differ in what else they take for a number or a date.
_PATTERNS: Final = {
    "star_rating": r"^[1-5]\z",
    "helpful_votes": r"^[0-9]{1,9}\z",
    "total_votes": r"^[0-9]{1,9}\z",
    "review_date": r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}\z",
}


def typed(raw_reviews: ir.Table) -> ir.Table:
    """Every sound record as a row; an empty field is null."""
    sound = raw_reviews.filter(fault(raw_reviews).isnull())
    values = {name: _typed(sound, name) for name in COLUMNS.names}
    return sound.select(**values, category=sound.category)


def rejected(raw_reviews: ir.Table) -> ir.Table:
    """Every other record, with its text and the first reason that applies."""
    judged = raw_reviews.mutate(reason=fault(raw_reviews))
    broken = judged.filter(judged.reason.notnull())
    fields = [broken[name] for name in COLUMNS.names]
    text = ibis.literal("\t").join(fields).substr(0, MAX_RAW_CHARACTERS)
    return broken.select(
        "source_uri", "row_number", "reason", "category", raw=broken.raw.fill_null(text)
    )


def fault(raw_reviews: ir.Table) -> ir.StringValue:
    """What is wrong with a record: a problem of the reader, or `bad_` and a column; else null."""
    bad = ibis.cases(*((_is_bad(raw_reviews, name), f"bad_{name}") for name in _PATTERNS))
    return ibis.coalesce(raw_reviews.problem, bad)


def _is_bad(raw_reviews: ir.Table, name: str) -> ir.BooleanValue:
    """Whether a field is neither empty nor of its column's type."""
    text, value = raw_reviews[name].nullif(""), _typed(raw_reviews, name)
    return text.notnull() & ~(text.re_search(_PATTERNS[name]) & value.notnull())


def _typed(raw_reviews: ir.Table, name: str) -> ir.Value:
    text = raw_reviews[name].nullif("")
    return text.try_cast(_TYPES[name]) if name in _TYPES else text
