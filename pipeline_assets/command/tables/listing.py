"""`tables`: what is published, how much of it, and since when."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline_assets.command.console import Format
    from pipeline_assets.command.session import Session


@click.command()
@click.option("--format", "format_", type=click.Choice(["table", "csv", "json"]), default="table")
@click.pass_obj
def tables(session: "Session", format_: "Format") -> None:
    """List the published tables: rows, partitions, and the time of the last publish in UTC."""
    session.require_lake()
    from pipeline_assets.command.console import show
    from pipeline_assets.reading.query import Answer

    columns = ("table", "rows", "partitions", "last published")
    show(Answer(columns, _published(session)), format_)


def _published(session: "Session") -> "Iterator[tuple[str, int | None, int, str]]":
    from pipeline_assets.iceberg.history import committed_at

    lake = session.deployment.lake
    for table in sorted(lake.published(), key=str):
        iceberg = lake.load(table)
        snapshot = iceberg.current_snapshot() if iceberg else None
        if snapshot is not None:
            # Iceberg counts them in each commit; what no asset has published has no records.
            counted = snapshot.summary and snapshot.summary["total-records"]
            when = f"{committed_at(snapshot):%Y-%m-%d %H:%M:%S}"
            yield str(table), int(counted or 0), len(lake.records(table)), when
