"""Accounting for rows: what was read is what is kept, row for row."""

import ibis
import ibis.expr.types as ir


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
