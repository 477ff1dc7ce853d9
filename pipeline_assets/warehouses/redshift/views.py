"""DDL by which Redshift reads the lake's tables where they lie, through the Glue catalog.

For each domain there is an external schema, and beside it a schema of views. They are late-binding,
because Redshift lets no other view read an external table. Columns of such views have no comments
in Redshift, so the view's own comment describes them.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import ibis.expr.datatypes as dt

from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.postgres.sql import identifier
from pipeline_assets.warehouses.redshift.sql import literal, role_of

EXTERNAL: Final = "glue_"
"""How the external schema of a domain begins."""
VIEWS: Final = "lake_"
"""How the schema of a domain's views begins."""


def reader_ddl(
    tables: Iterable[LakeTable], iam_role: str = "default", region: str | None = None
) -> Iterator[str]:
    """The statements, in order; they may be run again.

    Args:
        tables: The tables that Redshift is to read.
        iam_role: What it reads Glue and S3 with: ``default``, or the ARN of a role.
        region: Of the Glue catalog, if that is another one than Redshift's.
    """
    chosen = sorted(tables, key=str)
    role = role_of(iam_role)
    elsewhere = f" REGION {literal(region)}" if region else ""
    for domain in sorted({table.namespace for table in chosen}):
        yield (
            f"CREATE EXTERNAL SCHEMA IF NOT EXISTS {identifier(EXTERNAL + domain)} "
            f"FROM DATA CATALOG DATABASE {literal(domain)} IAM_ROLE {role}{elsewhere}"
        )
        yield f"CREATE SCHEMA IF NOT EXISTS {identifier(VIEWS + domain)}"
    for table in chosen:
        view = f"{identifier(VIEWS + table.namespace)}.{identifier(table.name)}"
        yield _view(table, view)
        yield f"COMMENT ON VIEW {view} IS {literal(_comment(table.contract))}"


def _view(table: LakeTable, view: str) -> str:
    columns = ", ".join(identifier(name) for name in _flat(table.contract))
    source = f"{identifier(EXTERNAL + table.namespace)}.{identifier(table.name)}"
    return (
        f"CREATE OR REPLACE VIEW {view} AS SELECT {columns} FROM {source} "  # noqa: S608
        "WITH NO SCHEMA BINDING"
    )


def _flat(contract: TableContract) -> list[str]:
    """The columns that a view may have: an array has to be unnested by who reads it."""
    return [it.name for it in contract.columns if not isinstance(it.type, dt.Array)]


def _comment(contract: TableContract) -> str:
    shown = _flat(contract)
    lines = [f"{it.name}: {it.description}" for it in contract.columns if it.name in shown]
    arrays = [it.name for it in contract.columns if it.name not in shown]
    left_out = [f"Not in this view: {', '.join(arrays)} (arrays)."] if arrays else []
    return "\n".join([contract.description, *lines, *left_out])
