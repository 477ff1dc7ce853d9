"""Assets that publish the rows of tables by key, partition by partition."""

from collections.abc import Callable
from dataclasses import replace

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.contract import Check, Column, TableContract
from pipeline_assets.dataset.inputs import InputSpec
from pipeline_assets.dataset.values.database import KEYS
from pipeline_assets.dataset.values.destinations import ByKey, KeyedPartitions, KeyedRows
from pipeline_assets.dataset.values.table import LakeTable

ROWS = "rows"


def publish_keys(source: LakeAsset, by: ByKey) -> LakeAsset:
    """The asset that keeps the rows of a table by key as they are in the lake.

    Args:
        source: Its table, with partitions.
        by: Its key. Rows without one are left out.

    Raises:
        ValueError: The table has no partitions, or not these columns.
    """
    column = source.table.partition_column
    if column is None:
        raise ValueError(f"{source.table} has no partitions to be replaced one by one")
    contract = source.table.contract
    if unknown := {by.column, *by.order} - set(contract.schema.names):
        raise ValueError(f"{source.table} has no column {' or '.join(sorted(unknown))}")
    return LakeAsset(
        kind="export",
        table=LakeTable(KEYS, source.table.name, _contract(source, column), column),
        function=_with_keys(by.column),
        inputs=(InputSpec(ROWS, source.key, "table"),),
        partitioning=source.partitioning,
        checks=(_every_row_published(column, by.column),),
        export=KeyedRows(str(source.table), by, contract, column),
        system=KEYS,
    )


def _with_keys(key: str) -> Callable[[ir.Table], ir.Table]:
    def rows_by_key(rows: ir.Table) -> ir.Table:
        """Rows that are looked up by key; a new version of a partition is shown all at once."""
        return rows.filter(rows[key].notnull())

    return rows_by_key


def _contract(source: LakeAsset, column: str) -> TableContract:
    """Of the list of published partitions."""
    listed = TableContract.of(KeyedPartitions)
    (own,) = (found for found in source.table.contract.columns if found.name == column)
    partition = Column(column, own.type, nullable=False, description=own.description)
    return replace(listed, columns=(*listed.columns, partition), unique=(column,))


def _every_row_published(column: str, key: str) -> Check:
    return Check(
        name="every_row_published",
        description="Each partition has as many rows by key as it has rows with a key in the lake.",
        severity="error",
        failing=_miscounted(column, key),
        inputs=(ROWS,),
    )


def _miscounted(column: str, key: str) -> Callable[[ir.Table, ir.Table], ir.Table]:
    def failing(published: ir.Table, rows: ir.Table) -> ir.Table:
        keyed = rows.filter(rows[key].notnull())
        there = keyed.select(column, rows=ibis.literal(-1, "int64"))
        changes = published.select(column, ROWS).union(there)
        balance = changes.group_by(column).aggregate(missing=-changes[ROWS].sum())
        return balance.filter(balance.missing != 0)

    return failing
