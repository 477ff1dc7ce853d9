"""The SQL that counts how the rows of a table differ from those of another."""

from collections.abc import Sequence

from pipeline_assets.engines.embedded.duckdb_sql import source_query
from pipeline_assets.engines.standard_sql import identifier
from spark_resources.job import Source


def counting(key: Sequence[str], columns: Sequence[str], before: Source, after: Source) -> str:
    """A query of one row: how many rows were added, removed and changed.

    A row is changed if both have its key, with other values. Without a key rows are only added and
    removed, each as often as it is there.

    Args:
        key: Columns that no two rows share; none if there are no such.
        columns: All that are compared.
        before: The rows that were there.
        after: The rows that are there now.
    """
    if not key:
        return _counting_whole_rows(columns, before, after)
    names = ", ".join(map(identifier, key))
    fields = ", ".join(f"{identifier(it)} := {identifier(it)}" for it in columns)
    new, old = (
        f"(SELECT {names}, struct_pack({fields}) AS content FROM ({source_query(it)}))"
        for it in (after, before)
    )
    return f"""
        SELECT count(*) FILTER (WHERE old.content IS NULL),
            count(*) FILTER (WHERE new.content IS NULL),
            count(*) FILTER (
                WHERE new.content IS NOT NULL AND old.content IS NOT NULL
                AND new.content IS DISTINCT FROM old.content
            )
        FROM {new} AS new FULL JOIN {old} AS old USING ({names})
    """


def _counting_whole_rows(columns: Sequence[str], before: Source, after: Source) -> str:
    chosen = ", ".join(map(identifier, columns))
    new, old = (f"SELECT {chosen} FROM ({source_query(it)})" for it in (after, before))
    return (
        f"SELECT (SELECT count(*) FROM ({new} EXCEPT ALL {old})), "
        f"(SELECT count(*) FROM ({old} EXCEPT ALL {new})), 0"
    )
