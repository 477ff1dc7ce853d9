"""`release`: one name for a set of snapshots that belong together."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipeline_assets.command.session import Session
    from pipeline_assets.dataset.asset import LakeAsset
    from pipeline_assets.releases.releases import Releases


@click.group()
@click.pass_obj
def release(session: "Session") -> None:
    """Name the present state of training sets, so that it stays as long as its name."""
    session.require_lake()


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


def releases_of(session: "Session") -> "Releases":
    """The releases of a session's lake."""
    from pipeline_assets.releases.releases import Releases

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
