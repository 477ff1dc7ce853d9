"""`query`: read-only SQL over the published tables, now or as they were."""

import sys
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from pipeline_assets.command.console import Format
    from pipeline_assets.command.session import Session

TERMINAL_ROWS: Final = 1000


@click.command()
@click.argument("sql")
@click.option("--format", "format_", type=click.Choice(["table", "csv", "json"]), default="table")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help=f"At most so many rows; by default {TERMINAL_ROWS:,} in a terminal and all into a pipe.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End a statement that takes longer.",
)
@click.option("--as-of", metavar="TIME", help="Read what was published at 2024-05-01T12:00 UTC.")
@click.option("--snapshot", type=int, help="Read this snapshot of a table, see `history`.")
@click.pass_obj
def query(
    session: "Session",
    sql: str,
    format_: "Format",
    limit: int | None,
    timeout: float | None,
    as_of: str | None,
    snapshot: int | None,
) -> None:
    """Run read-only SQL over the lake, such as: select count(*) from taobao.core_features.

    SHOW TABLES, DESCRIBE, SUMMARIZE and EXPLAIN are answered too. If rows are left out, the last
    line on standard error says so.
    """
    session.require_lake()
    from pipeline_assets.command.console import show
    from pipeline_assets.iceberg.past import Version
    from pipeline_assets.reading.query import query as run_query

    deployment = session.deployment
    running = run_query(
        sql,
        deployment.lake,
        session.declared(),
        deployment.reader,
        version=Version(snapshot, as_of),
        seconds=timeout,
    )
    if limit is None and sys.stdout.isatty():
        limit = TERMINAL_ROWS
    with running as answer:
        if show(answer, format_, limit):
            click.echo(f"note: rows after the first {limit:,} are left out; see --limit", err=True)
