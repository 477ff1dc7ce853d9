"""Who had to do with what, and when: split into parts, with dense ids that only training decides.

Interactions are numbered in the order of time, so that each is before or after any other.
"""

from collections.abc import Sequence
from typing import Final, Literal

import dagster as dg
import ibis
import ibis.expr.types as ir
from pydantic import Field

from pipeline_assets.dataset.training.conventions import FIRST_INDEX, UNKNOWN
from pipeline_assets.errors import PipelineError

POLICIES: Final = ("leave_last_out", "by_time")
_DAY: Final = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$"
_LEFT_OUT: Final = 2


class InteractionSplit(dg.Config):
    """Which part of the training set an interaction belongs to."""

    policy: Literal["leave_last_out", "by_time"] = Field(
        default="leave_last_out",
        description="`leave_last_out` tests on the last interaction of each user and validates on "
        "the one before, if there are three; `by_time` cuts at two days.",
    )
    validation_from: str = Field(
        default="", pattern=_DAY, description="By `by_time`: the first day of validation."
    )
    test_from: str = Field(
        default="", pattern=_DAY, description="By `by_time`: the first day of test."
    )

    def split(self, events: ir.Table, scope: Sequence[str], user: str) -> ir.Table:
        """Interactions with the columns ``part`` and ``policy``.

        Args:
            events: With the columns ``interaction_id`` and ``happened_on``.
            scope: The columns within which they are numbered; none for a table that has no parts.
            user: The column that says who.

        Raises:
            PipelineError: ``by_time`` without its two days in order.
        """
        part = self._by_time(events) if self.policy == "by_time" else _last_out(events, scope, user)
        return events.mutate(part=part, policy=ibis.literal(self.policy))

    def _by_time(self, events: ir.Table) -> ir.StringValue:
        if not self.validation_from or not self.validation_from <= self.test_from:
            raise PipelineError("by_time needs validation_from and test_from, one after the other")
        return ibis.cases(
            (events.happened_on < ibis.date(self.validation_from), "train"),
            (events.happened_on < ibis.date(self.test_from), "validation"),
            else_="test",
        )


def _last_out(events: ir.Table, scope: Sequence[str], user: str) -> ir.StringValue:
    mine = ibis.window(group_by=[*scope, user])
    latest = ibis.window(group_by=[*scope, user], order_by=events.interaction_id.desc())
    after, all_ = ibis.row_number().over(latest), events.count().over(mine)
    has_enough = all_ > _LEFT_OUT
    return ibis.cases(
        (has_enough & (after == 0), "test"),
        (has_enough & (after == 1), "validation"),
        else_="train",
    )


def numbered(events: ir.Table, scope: Sequence[str], order: list[str]) -> ir.Table:
    """Interactions with ``interaction_id``, from 1 in the order of time, and ``day`` as a number.

    Args:
        events: With the column ``happened_on``.
        scope: The columns within which they are numbered; none for a table that has no parts.
        order: Columns that tell apart what happened on one day.
    """
    place = ibis.row_number().over(group_by=list(scope), order_by=["happened_on", *order])
    day = events.happened_on.delta(ibis.date("1970-01-01"), unit="day")
    return events.mutate(interaction_id=(place + 1).cast("int64"), day=day.cast("int32"))


def indexed(events: ir.Table, scope: Sequence[str], column: str, index: str) -> ir.Table:
    """Interactions with a dense id for the value of a column, by its number in the training part.

    What the training part does not know has the index 1; the others follow from 2, the most
    frequent first, equal ones by their name.
    """
    train = events.filter(events.part == "train")
    counts = train.group_by(*scope, column).aggregate(rows=train.count())
    place = ibis.row_number().over(
        group_by=list(scope), order_by=[counts.rows.desc(), counts[column]]
    )
    known = counts.select(*scope, column, **{index: (place + FIRST_INDEX).cast("int32")})
    joined = events.left_join(known, [*scope, column])
    return joined.select(*events.columns, **{index: joined[index].fill_null(UNKNOWN)})


def split_and_indexed(
    events: ir.Table, scope: Sequence[str], config: InteractionSplit, user: str, item: str
) -> ir.Table:
    """Numbered interactions with their part, and with dense ids of users and items.

    Args:
        events: As :func:`numbered` returns them.
        scope: The columns within which they are numbered; none for a table that has no parts.
        config: How to split them.
        user: The column that says who.
        item: The column that says what.
    """
    parted = config.split(events, scope, user)
    return indexed(indexed(parted, scope, user, "user_index"), scope, item, "item_index")
