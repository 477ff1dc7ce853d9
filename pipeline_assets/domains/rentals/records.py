"""From delivered reviews to typed rows: one verdict on each record, for accepting and rejecting.

Format: RFC 4180 with a header; ``cid`` and ``review_str``, and ``score`` and ``film`` where the
vendor has them. All reasons to reject a record are kept.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.landing.delimited import Columns
from pipeline_assets.landing.fields import MAX_RAW_CHARACTERS, as_whole, is_whole, reasons

COLUMNS: Final = Columns(("cid", "review_str"), optional=("score", "film"))
CUSTOMER_DIGITS: Final = 9


def accepted(raw_movie_reviews: ir.Table) -> ir.Table:
    """Every sound record as a row, also one that is written again; an empty score is null."""
    sound = raw_movie_reviews.filter(_fault(raw_movie_reviews).isnull())
    return sound.select(
        "review_str",
        "insert_date",
        cid=as_whole(sound.cid, "int32"),
        score=as_whole(sound.score, "int32"),
        film=sound.film.nullif(""),
    )


def rejected(raw_movie_reviews: ir.Table) -> ir.Table:
    """Every other record, with its text and all reasons that apply."""
    judged = raw_movie_reviews.mutate(reason=_fault(raw_movie_reviews))
    broken = judged.filter(judged.reason.notnull())
    fields = [broken[name].fill_null("") for name in ("cid", "review_str", "score")]
    # A null is left out of what is joined, so that files without films end with the score.
    text = ibis.literal(",").join([*fields, broken.film]).substr(0, MAX_RAW_CHARACTERS)
    return broken.select(
        "source_uri", "row_number", "reason", "insert_date", raw=broken.raw.fill_null(text)
    )


def _fault(raw: ir.Table) -> ir.StringValue:
    """What is wrong with a record; null if nothing is."""
    is_score = is_whole(raw.score, 1) & as_whole(raw.score, "int32").between(1, 5)
    return reasons(
        (raw.problem.notnull(), raw.problem),
        (~is_whole(raw.cid, CUSTOMER_DIGITS), "bad_cid"),
        ((raw.score != "") & ~is_score, "bad_score"),
        (raw.customer_known == ibis.literal(False), "unknown_cid"),
    )
