"""What the footers of files that were just written say of their columns.

DuckDB returns them with the copy statement. Nulls and values beyond a bound are counted from them,
so that an audit does not decode columns about which it asks nothing else.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from pipeline_assets.engines.standard_sql import identifier
from spark_resources.job import Audit, Bound, DataFile

_ROWS: Final = "COUNT(*)"

Copied: TypeAlias = Sequence[Sequence[Any]]
"""What a copy statement returns: for each file its URI, rows, bytes, footer and partition."""
Footer: TypeAlias = Mapping[str, Mapping[str, str]]
"""Of each column of a file, by its quoted name: ``min``, ``max``, ``null_count``."""


def data_files(written: Copied, only_key: str | None) -> tuple[DataFile, ...]:
    """The files with rows that a copy statement returns.

    Args:
        written: Its rows.
        only_key: The partition of all rows, if there is one: DuckDB reports the partition of a file
            only where it has divided the output into partitions.
    """
    return tuple(
        DataFile(uri, rows, size, partition=next(iter((values or {}).values()), only_key))
        for uri, rows, size, _, _, values in written
        if rows  # DuckDB writes an empty file where a query selects nothing
    )


def footers(written: Copied) -> tuple[Footer, ...]:
    """The statistics of the files with rows."""
    return tuple(columns for _, rows, _, _, columns, _ in written if rows)


def known(audit: Audit, rows: int, found: Sequence[Footer]) -> dict[str, int]:
    """The aggregates of an audit that the footers answer."""
    counted = {name: rows for name, sql in audit.aggregates.items() if sql == _ROWS}
    answers = {name: _count(bound, found) for name, bound in audit.bounds.items()}
    return counted | {name: count for name, count in answers.items() if count is not None}


def _count(bound: Bound, found: Sequence[Footer]) -> int | None:
    """The rows that a bound counts; None if only the rows themselves tell."""
    columns = [footer.get(identifier(bound.column), {}) for footer in found]
    if bound.is_null:
        nulls = [column.get("null_count") for column in columns]
        return None if None in nulls else sum(int(it) for it in nulls if it is not None)
    return 0 if all(_is_within(bound, column) for column in columns) else None


def _is_within(bound: Bound, column: Mapping[str, str]) -> bool:
    least, greatest = column.get("min"), column.get("max")
    if least is None or greatest is None:
        return False
    return (bound.least is None or bound.least <= int(least)) and (
        bound.greatest is None or int(greatest) <= bound.greatest
    )
