"""From delivered reviews to typed rows: one verdict on each record, for accepting and rejecting.

Format: RFC 4180 with a header; ``cid`` and ``review_str``, and ``score`` where the vendor has it.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.landing.delimited import Columns
from pipeline_assets.landing.records import MAX_RAW_CHARACTERS

COLUMNS: Final = Columns(("cid", "review_str"), optional=("score",))
CUSTOMER: Final = r"^[0-9]{1,9}\z"
SCORE: Final = r"^[1-5]\z"


def accepted(raw_movie_reviews: ir.Table) -> ir.Table:
    """Every sound record as a row; an empty score is null."""
    judged = _judged(raw_movie_reviews)
    sound = judged.filter(judged.reason.isnull())
    return sound.select(
        "review_str",
        "insert_date",
        cid=sound.cid.try_cast("int32"),
        score=sound.score.try_cast("int32"),
    )


def rejected(raw_movie_reviews: ir.Table) -> ir.Table:
    """Every other record, with its text and the first reason that applies."""
    judged = _judged(raw_movie_reviews)
    broken = judged.filter(judged.reason.notnull())
    fields = [broken[name].fill_null("") for name in COLUMNS.names]
    text = ibis.literal(",").join(fields).substr(0, MAX_RAW_CHARACTERS)
    return broken.select(
        "source_uri", "row_number", "reason", "insert_date", raw=broken.raw.fill_null(text)
    )


def _judged(raw_movie_reviews: ir.Table) -> ir.Table:
    """The records with the column ``reason``, null where they are sound."""
    raw = raw_movie_reviews.mutate(reason=_fault(raw_movie_reviews))
    same = ["insert_date", "cid", "review_str", "score"]
    earlier = ibis.row_number().over(
        group_by=[*same, raw.reason.isnull()], order_by=["source_uri", "row_number"]
    )
    is_copy = raw.reason.isnull() & (earlier > 0)
    return raw.mutate(reason=ibis.cases((is_copy, "duplicate_review"), else_=raw.reason))


def _fault(raw: ir.Table) -> ir.StringValue:
    """What is wrong with a record by itself; null if nothing is."""
    has_score = raw.score.notnull() & (raw.score != "")
    return ibis.cases(
        (raw.problem.notnull(), raw.problem),
        (~raw.cid.re_search(CUSTOMER), "bad_cid"),
        (has_score & ~raw.score.re_search(SCORE), "bad_score"),
        (raw.customer_known.fill_null(True) == ibis.literal(False), "unknown_cid"),
    )
