"""Assets that load tables of the lake into the warehouse, partition by partition."""

from collections.abc import Callable
from dataclasses import replace

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.contract import Check, Column, TableContract
from pipeline_assets.dataset.inputs import InputSpec
from pipeline_assets.dataset.values.database import WAREHOUSE
from pipeline_assets.dataset.values.destinations import LoadedPartitions, LoadedTable
from pipeline_assets.dataset.values.table import LakeTable

ROWS = "rows"


def warehouse_load(source: LakeAsset) -> LakeAsset:
    """The asset that keeps a table's partitions in the warehouse as they are in the lake.

    Args:
        source: Its table, with partitions; the table in the warehouse has its name and its
            domain's.

    Raises:
        ValueError: The table has no partitions.
    """
    column = source.table.partition_column
    if column is None:
        raise ValueError(f"{source.table} has no partitions to be replaced one by one")
    return LakeAsset(
        kind="export",
        table=LakeTable(WAREHOUSE, source.table.name, _contract(source, column), column),
        function=_unchanged,
        inputs=(InputSpec(ROWS, source.key, "table"),),
        partitioning=source.partitioning,
        checks=(_every_row_loaded(column),),
        export=LoadedTable(
            schema=source.table.namespace,
            name=source.table.name,
            rows=source.table.contract,
            partition_column=column,
        ),
        system=WAREHOUSE,
    )


def _unchanged(rows: ir.Table) -> ir.Table:
    """The table's partitions in the warehouse, each replaced in one transaction."""
    return rows


def _contract(source: LakeAsset, column: str) -> TableContract:
    """Of the list of loaded partitions."""
    listed = TableContract.of(LoadedPartitions)
    (own,) = (found for found in source.table.contract.columns if found.name == column)
    partition = Column(column, own.type, nullable=False, description=own.description)
    return replace(listed, columns=(*listed.columns, partition), unique=(column,))


def _every_row_loaded(column: str) -> Check:
    return Check(
        name="every_row_loaded",
        description="Each partition has as many rows in the warehouse as in the lake.",
        severity="error",
        failing=_miscounted(column),
        inputs=(ROWS,),
    )


def _miscounted(column: str) -> Callable[[ir.Table, ir.Table], ir.Table]:
    def failing(loaded: ir.Table, rows: ir.Table) -> ir.Table:
        there = rows.select(column, rows=ibis.literal(-1, "int64"))
        changes = loaded.select(column, ROWS).union(there)
        balance = changes.group_by(column).aggregate(missing=-changes[ROWS].sum())
        return balance.filter(balance.missing != 0)

    return failing
