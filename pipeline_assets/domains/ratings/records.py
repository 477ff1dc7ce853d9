"""The format of Amazon's review files, and how their records become typed rows.

Format: the data set's own description (Amazon Customer Reviews, 1995 to 2015). Tab-separated, one
record per line, a header, 15 columns, no quote and no escape character. Dates are ISO 8601. Whole
numbers may be written as pandas writes them, such as 5.0.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.landing.delimited import Columns
from pipeline_assets.landing.fields import MAX_RAW_CHARACTERS, as_whole, is_whole, reasons

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
_NUMBERS: Final = ("star_rating", "helpful_votes", "total_votes")
# A pattern before the cast, because engines differ in what else they take for a date.
_DATE: Final = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}\z"


def typed(raw_reviews: ir.Table) -> ir.Table:
    """Every sound record as a row; an empty field is null."""
    sound = raw_reviews.filter(fault(raw_reviews).isnull())
    values = {name: _typed(sound, name) for name in COLUMNS.names}
    return sound.select(**values, category=sound.category)


def rejected(raw_reviews: ir.Table) -> ir.Table:
    """Every other record, with its text and all reasons that apply."""
    judged = raw_reviews.mutate(reason=fault(raw_reviews))
    broken = judged.filter(judged.reason.notnull())
    fields = [broken[name] for name in COLUMNS.names]
    text = ibis.literal("\t").join(fields).substr(0, MAX_RAW_CHARACTERS)
    return broken.select(
        "source_uri", "row_number", "reason", "category", raw=broken.raw.fill_null(text)
    )


def fault(raw_reviews: ir.Table) -> ir.StringValue:
    """What is wrong with a record: the reader's problems, or `bad_` and each column; else null."""
    text = {name: raw_reviews[name].nullif("") for name in (*_NUMBERS, "review_date")}
    stars, date = text["star_rating"], text["review_date"]
    is_rating = is_whole(stars, 1) & as_whole(stars, "int32").between(1, 5)
    is_date = date.re_search(_DATE) & date.try_cast("date").notnull()
    return reasons(
        (raw_reviews.problem.notnull(), raw_reviews.problem),
        (~is_rating, "bad_star_rating"),
        (~is_whole(text["helpful_votes"], 9), "bad_helpful_votes"),
        (~is_whole(text["total_votes"], 9), "bad_total_votes"),
        (date.notnull() & ~is_date, "bad_review_date"),
    )


def _typed(raw_reviews: ir.Table, name: str) -> ir.Value:
    text = raw_reviews[name].nullif("")
    if name in _NUMBERS:
        return as_whole(text, "int32")
    return text.try_cast("date") if name == "review_date" else text
