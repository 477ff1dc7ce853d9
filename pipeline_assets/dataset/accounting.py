"""Accounting for rows: what was read is what is kept, row for row.

And which deliveries lack so much that they may not take the place of what is published unasked.
"""

from dataclasses import dataclass
from typing import Final, Literal

import ibis
import ibis.expr.types as ir

TOLD_FALL: Final = 0.2
"""A partition that loses a larger share of its rows is told, if it is published."""


@dataclass(frozen=True)
class Delivery:
    """What a partition must keep of its delivery, or people have to accept it.

    Attributes:
        read: The input that holds every record that was read, so that those that the asset leaves
            out are the rejected ones; None for an asset that holds the delivery itself.
        holds: Which of the records the asset holds.
        counted_by: The column of the delivery that counts its records, where a row is not one.
        rejected: The largest share of the records that may be rejected.
        fall: The largest share of the published rows that a new delivery may lack.
        fall_from: Partitions of fewer published rows may lack more, but not all of them.
        may_end: Whether a partition may lose all of its rows.
    """

    read: str | None = None
    holds: Literal["accepted", "rejected"] = "accepted"
    counted_by: str | None = None
    rejected: float = 0.95
    fall: float = 0.5
    fall_from: int = 100
    may_end: bool = False

    def __str__(self) -> str:
        if self.read:
            return f"At most {self.rejected:.0%} of the records of `{self.read}` are rejected."
        ends = "may lose all rows" if self.may_end else "keeps some rows"
        return (
            f"A partition that is published {ends}; one of {self.fall_from:,} rows or more loses "
            f"at most {self.fall:.0%} of them."
        )

    def complaint(self, rows: int, read: int, before: int | None) -> str | None:
        """Why a delivery is refused; None if it is not.

        Args:
            rows: What the partition would hold.
            read: The records that were read for it.
            before: The rows that are published now; None for a new partition.
        """
        if self.read:
            rejects = rows if self.holds == "rejected" else max(read - rows, 0)
            if rejects > self.rejected * read:
                most = f"{self.rejected:.0%}"
                return f"{rejects:,} of {read:,} records are rejected, more than {most}"
            return None
        if not before or rows >= before:
            return None
        if not rows:
            return None if self.may_end else f"it holds no rows in place of {before:,}"
        if before >= self.fall_from and before - rows > self.fall * before:
            return _less(rows, before)
        return None

    def remark(self, rows: int, read: int, before: int | None) -> str | None:
        """What people are told of a delivery that is published; arguments as above."""
        if not read and not before:
            return "the delivery holds no records"
        is_less = before is not None and before - rows > TOLD_FALL * before
        return _less(rows, before) if before and is_less else None


def _less(rows: int, before: int) -> str:
    return f"it holds {rows:,} rows in place of {before:,}, {1 - rows / before:.0%} less"


def unaccounted(partition: str, read: ir.Table, *kept: ir.Table) -> ir.Table:
    """One row for each partition whose kept rows are more or fewer than the rows that were read.

    Args:
        partition: The partition column, which every table has.
        read: Where the rows come from.
        kept: The tables that each row must be in exactly one of.

    Returns:
        The partition and ``unaccounted``, the number of rows that are missing; negative if there
        are too many.
    """
    signed = [(read, 1), *((table, -1) for table in kept)]
    changes = ibis.union(
        *(table.select(partition, change=ibis.literal(sign, "int64")) for table, sign in signed)
    )
    balance = changes.group_by(partition).aggregate(unaccounted=changes.change.sum())
    return balance.filter(balance.unaccounted != 0)
