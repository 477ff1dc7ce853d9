"""From delivered text to typed rows: one verdict on each record, for both who accepts and rejects.

Rejected are records that could not be split, that lack a user or an artist, whose numbers are not
whole numbers (from 1, if they are a playcount or a rank), top artists of somebody who is not among
the users, and what repeats an earlier record's key. Values are never guessed.
"""

from collections.abc import Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

TOTAL: Final = r"^[0-9]{1,18}\z"
PLAYCOUNT: Final = r"^0*[1-9][0-9]{0,14}\z"
RANK: Final = r"^0*[1-9][0-9]{0,8}\z"
NO_COUNTRY: Final = ("", "None", "null")


def judged_users(raw_users: ir.Table) -> ir.Table:
    """Records of users with the column ``reason``, null where they are sound."""
    raw = raw_users
    reason = ibis.cases(
        (raw.problem.notnull(), raw.problem),
        (raw.user_id == "", "bad_user_id"),
        (
            ~_is_blank(raw.total_scrobbles) & ~raw.total_scrobbles.re_search(TOTAL),
            "bad_total_scrobbles",
        ),
    )
    return _first_of_each(raw.mutate(reason=reason), ["snapshot", "user_id"])


def judged_top_artists(raw_user_top_artists: ir.Table, users: ir.Table) -> ir.Table:
    """Records of top artists with the column ``reason``, null where they are sound."""
    known = users.select("snapshot", "user_id", is_known=True)
    raw = raw_user_top_artists.left_join(known, ["snapshot", "user_id"]).drop(
        "snapshot_right", "user_id_right"
    )
    reason = ibis.cases(
        (raw.problem.notnull(), raw.problem),
        (raw.user_id == "", "bad_user_id"),
        (raw.artist_name == "", "bad_artist_name"),
        (~raw.playcount.re_search(PLAYCOUNT), "bad_playcount"),
        (~_is_blank(raw["rank"]) & ~raw["rank"].re_search(RANK), "bad_rank"),
        (raw.is_known.isnull(), "unknown_user"),
    )
    judged = raw.mutate(reason=reason).drop("is_known")
    return _first_of_each(judged, ["snapshot", "user_id", "artist_name"])


def sound(judged: ir.Table) -> ir.Table:
    """The records that nothing is wrong with."""
    return judged.filter(judged.reason.isnull())


def unsound(judged: ir.Table) -> ir.Table:
    """The others."""
    return judged.filter(judged.reason.notnull())


def rejected(judged: ir.Table, columns: Sequence[str]) -> ir.Table:
    """Unsound records as rows of ``rejected_rows``; their text is ``raw`` or the columns joined."""
    joined = ibis.literal(",").join([judged[name].fill_null("") for name in columns])
    return unsound(judged).select(
        "source_uri", "row_number", "reason", "snapshot", raw=judged.raw.fill_null(joined)
    )


def _first_of_each(judged: ir.Table, key: list[str]) -> ir.Table:
    """Sound records that repeat a key of an earlier sound one are duplicates."""
    earlier = ibis.row_number().over(
        group_by=[*key, judged.reason.isnull()], order_by=["source_uri", "row_number"]
    )
    is_repeated = judged.reason.isnull() & (earlier > 0)
    return judged.mutate(reason=ibis.cases((is_repeated, "duplicate"), else_=judged.reason))


def _is_blank(text: ir.StringValue) -> ir.BooleanValue:
    return text.isnull() | (text == "")
