"""`release`: one name for a set of snapshots that belong together."""

from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import click

if TYPE_CHECKING:
    from pipeline_assets.command.session import Session
    from pipeline_assets.dataset.asset import LakeAsset
    from pipeline_assets.releases.releases import Releases

IMPRESSIONS: Final = "taobao.encoded_impressions"


class _ExportOptions(TypedDict):
    table: str
    partitions: tuple[str, ...]
    fields: tuple[str, ...]
    files: int
    max_length: int


@click.group()
def release() -> None:
    """Name the present state of training sets, so that it stays as long as its name."""


@release.command()
@click.argument("name")
@click.argument("tables", nargs=-1)
@click.pass_obj
def create(session: "Session", name: str, tables: tuple[str, ...]) -> None:
    """Create the release NAME of TABLES; by default of all training sets that are published."""
    named = [session.asset(table) for table in tables]
    assets = named or training_sets(session)
    made = releases_of(session).create(name, assets)
    for table, found in made.tables.items():
        click.echo(f"{table}: {found.rows:,} rows, snapshot {found.snapshot_id}")


@release.command("list")
@click.pass_obj
def list_(session: "Session") -> None:
    """List the releases with their tables and rows."""
    releases = releases_of(session)
    for name in releases.names():
        found = releases.read(name)
        rows = sum(table.rows for table in found.tables.values())
        click.echo(f"{name}: {len(found.tables)} tables, {rows:,} rows, {found.created_at}")


@release.command()
@click.argument("before")
@click.argument("after")
@click.pass_obj
def diff(session: "Session", before: str, after: str) -> None:
    """Say what is different in the release AFTER."""
    from pipeline_assets.releases.releases import differences

    releases = releases_of(session)
    for line in differences(releases.read(before), releases.read(after)):
        click.echo(line)


@release.command()
@click.argument("name")
@click.pass_obj
def delete(session: "Session", name: str) -> None:
    """Give up the release NAME; `clean` then removes files that nothing else refers to."""
    removed = releases_of(session).delete(name, session.deployment.lake.published())
    click.echo(f"{name} is no release any more; it named a snapshot of {removed} tables")


@release.command()
@click.argument("name")
@click.option("--format", "format_", required=True, help="parquet, recbole, fuxictr, …")
@click.option("--to", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--table", default=IMPRESSIONS, show_default=True, help="Whose rows to write.")
@click.option("--partition", "partitions", multiple=True, help="Of the table; by default all.")
@click.option("--field", "fields", multiple=True, help="A feature to write; by default all.")
@click.option("--files", default=1, show_default=True, help="Equal Parquet files for each part.")
@click.option("--max-length", default=50, show_default=True, help="Most tokens of padded lists.")
@click.pass_obj
def export(
    session: "Session", /, name: str, format_: str, to: Path, **options: Unpack[_ExportOptions]
) -> None:
    """Write the release NAME in the format of another trainer."""
    from pipeline_assets.reading.open_lake import open_lake
    from pipeline_assets.training.writers.export import export
    from pipeline_assets.training.writers.options import Choice, Options

    settings = session.settings
    choice = Choice(options["table"], options["partitions"], options["fields"])
    how = Options(options["files"], options["max_length"])
    with open_lake(settings.lake_uri, catalog=settings.catalog_uri) as lake:
        made = export(releases_of(session).read(name), lake, to, format_, choice, how)
    for part, rows in made.rows.items():
        click.echo(f"{part}: {rows:,} rows")
    for what, count in made.lost.items():
        click.echo(f"The format has no place for {count:,} {what}")


def releases_of(session: "Session") -> "Releases":
    """The releases of a session's lake.

    Raises:
        PipelineError: There is no lake, or its catalog is lost or old.
    """
    from pipeline_assets.releases.releases import Releases

    session.require_catalog()
    store = session.deployment.store(session.settings.lake_uri)
    return Releases(session.deployment.lake, store)


def training_sets(session: "Session") -> "list[LakeAsset]":
    """The assets that a release holds unless somebody names others.

    Raises:
        PipelineError: None of them is published.
    """
    from pipeline_assets.dataset.options import TRAINING_SET
    from pipeline_assets.errors import PipelineError

    published = set(map(str, session.deployment.lake.published()))
    found = [it for it in session.assets if TRAINING_SET.items() <= (it.tags or {}).items()]
    chosen = [it for it in found if str(it.table) in published]
    if not chosen:
        raise PipelineError("No training set is published yet; run update first, or name tables")
    return chosen
