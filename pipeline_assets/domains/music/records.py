"""From delivered text to typed rows: one verdict on each record, for both who accepts and rejects.

Rejected are records that could not be split, that lack a user or an artist, whose numbers are not
whole numbers (from 1, if they are a playcount or a rank), top artists of somebody who is not among
the users, and a user that repeats an earlier one. Values are never guessed. All reasons are kept.

Plays of somebody who is not among the users teach nobody: a listener who leaves ``users`` leaves
the rankings and the vectors as well.
"""

from collections.abc import Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.landing.fields import is_positive, is_whole, reasons

TOTAL_DIGITS: Final = 18
PLAYCOUNT_DIGITS: Final = 15
RANK_DIGITS: Final = 9


def judged_users(raw_users: ir.Table) -> ir.Table:
    """Records of users with the column ``reason``, null where they are sound."""
    raw = raw_users
    is_total = is_whole(raw.total_scrobbles, TOTAL_DIGITS) | _is_blank(raw.total_scrobbles)
    reason = reasons(
        (raw.problem.notnull(), raw.problem),
        (raw.user_id == "", "bad_user_id"),
        (~is_total, "bad_total_scrobbles"),
    )
    return _first_of_each(raw.mutate(reason=reason), ["snapshot", "user_id"])


def judged_top_artists(raw_user_top_artists: ir.Table, users: ir.Table) -> ir.Table:
    """Records of top artists with the column ``reason``, null where they are sound."""
    known = users.select("snapshot", "user_id", is_known=True)
    raw = raw_user_top_artists.left_join(known, ["snapshot", "user_id"]).drop(
        "snapshot_right", "user_id_right"
    )
    is_rank = is_positive(raw["rank"], RANK_DIGITS) | _is_blank(raw["rank"])
    reason = reasons(
        (raw.problem.notnull(), raw.problem),
        (raw.user_id == "", "bad_user_id"),
        (raw.artist_name == "", "bad_artist_name"),
        (~is_positive(raw.playcount, PLAYCOUNT_DIGITS), "bad_playcount"),
        (~is_rank, "bad_rank"),
        ((raw.user_id != "") & raw.is_known.isnull(), "unknown_user"),
    )
    return raw.mutate(reason=reason).drop("is_known")


def repeats(top_artists: ir.Table) -> ir.Table:
    """Users and artists that several sound records name, and how many of them do."""
    named = top_artists.group_by("snapshot", "user_id", "artist_name").aggregate(
        records=top_artists.count()
    )
    return named.filter(named.records > 1)


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
