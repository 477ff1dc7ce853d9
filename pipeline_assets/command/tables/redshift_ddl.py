"""`redshift-ddl`: how a Redshift reads the lake where it lies."""

from typing import TYPE_CHECKING

import click

from pipeline_assets.errors import PipelineError

if TYPE_CHECKING:
    from pipeline_assets.command.session import Session


@click.command("redshift-ddl")
@click.argument("tables", nargs=-1)
@click.option("--iam-role", default="default", help="ARN; by default the cluster's default role.")
@click.option("--region", help="Of the Glue catalog, if Redshift is in another one.")
@click.pass_obj
def redshift_ddl(
    session: "Session", tables: tuple[str, ...], iam_role: str, region: str | None
) -> None:
    """Print SQL that lets Redshift read tables of the lake, by default all, through Glue.

    Nothing is copied: an external schema for each domain, and late-binding views with comments.
    """
    from pipeline_assets.iceberg.catalog import GLUE
    from pipeline_assets.warehouses.redshift.views import reader_ddl

    if session.settings.catalog_uri != GLUE:
        raise PipelineError(
            "Redshift finds the lake's tables in the Glue catalog, and this lake's is another; "
            "set PIPELINE_CATALOG_URI=glue"
        )
    chosen = [session.table(name) for name in tables] if tables else session.tables
    for statement in reader_ddl(chosen, iam_role, region):
        click.echo(f"{statement};")
