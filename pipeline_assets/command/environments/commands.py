"""`env`: change code in an environment, compare it with production, and promote it."""

import shutil
from typing import TYPE_CHECKING

import click

from pipeline_assets.dataset.values.texts import first_and_last, printable

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipeline_assets.command.session import Session
    from pipeline_assets.dataset.asset import LakeAsset
    from pipeline_assets.environments.changes import Change
    from pipeline_assets.environments.comparison import Difference
    from pipeline_assets.environments.environments import Environments
    from pipeline_assets.environments.promotion import Promotion


@click.group()
def env() -> None:
    """Try changed code in a clone of the lake, which costs nothing to make, and promote it."""


@env.command()
@click.argument("name")
@click.pass_obj
def create(session: "Session", name: str) -> None:
    """Create the environment NAME: a clone of every table, without copying a row."""
    exports = {str(asset.table) for asset in session.assets if asset.export}
    made = _environments(session).create(name, exports)
    click.echo(f"{name}: {len(made.pinned)} tables cloned, no data file copied")
    click.echo(f"Work in it: PIPELINE_ENVIRONMENT={name} pipeline-assets update")


@env.command("list")
@click.pass_obj
def list_(session: "Session") -> None:
    """List the environments."""
    environments = _environments(session)
    for name in environments.names():
        found = environments.read(name)
        click.echo(f"{name}: {len(found.pinned)} tables, created {found.created_at}")


@env.command()
@click.argument("name")
@click.option("--select", help="Dagster asset selection, for instance 'key:\"taobao/*\"'.")
@click.pass_obj
def plan(session: "Session", name: str, select: str | None) -> None:
    """Say what `update` would make in the environment NAME, with rows and estimated cost."""
    from pipeline_assets.command.environments.plan import plan

    _require_production(session)
    for line in plan(session, _within(session, name), select):
        click.echo(printable(line))


@env.command()
@click.argument("name")
@click.pass_obj
def diff(session: "Session", name: str) -> None:
    """Count the rows that the environment NAME adds, removes and changes; tell what drifts."""
    from pipeline_assets.environments.comparison import difference

    promotion, inside, found = _promotion(session, name), _within(session, name), 0
    for change in _changes(promotion, inside):
        found += 1
        told = difference(promotion.production, promotion.lake, change, session.deployment.reader)
        for line in _differences(change, told):
            click.echo(printable(line))
    if not found:
        click.echo(f"{name} holds what production holds")


@env.command()
@click.argument("name")
@click.pass_obj
def promote(session: "Session", name: str) -> None:
    """Publish in production what the environment NAME has changed, in one commit for each table.

    Refused if production has published one of these tables since the environment was created.
    """
    promotion, inside, tables = _promotion(session, name), _within(session, name), 0
    for done in promotion.promote(inside.assets):
        tables += 1
        rows = sum(record.rows for record in done.records.values() if record)
        promoted = _partitions(done.asset, done.records)
        click.echo(printable(f"{promoted}: {rows:,} rows, snapshot {done.snapshot_id}"))
    click.echo(f"{tables} tables promoted" if tables else f"{name} holds what production holds")


@env.command()
@click.argument("name")
@click.pass_obj
def drop(session: "Session", name: str) -> None:
    """Remove the environment NAME, or what a killed command has left of one."""
    dropped = _environments(session).drop(name)
    shutil.rmtree(session.settings.within(name).dagster_home, ignore_errors=True)
    click.echo(f"{name} is gone, with {dropped} tables; no file of production was touched")


def _require_production(session: "Session") -> None:
    session.require_production("env")
    session.require_catalog()


def _environments(session: "Session") -> "Environments":
    from pipeline_assets.environments.environments import Environments

    _require_production(session)
    return Environments(session.deployment.lake)


def _within(session: "Session", name: str) -> "Session":
    from pipeline_assets.command.session import Session

    return Session(session.settings.within(name))


def _promotion(session: "Session", name: str) -> "Promotion":
    from pipeline_assets.environments.promotion import Promotion

    environments = _environments(session)
    return Promotion(environments.lake, environments.lake_in(name), environments.read(name))


def _changes(promotion: "Promotion", inside: "Session") -> "list[Change]":
    from pipeline_assets.environments.changes import changes

    found = changes(promotion.production, promotion.lake, promotion.environment, inside.assets)
    return list(found)


def _differences(change: "Change", found: "Difference") -> "list[str]":
    columns = f", columns {' '.join(found.columns)}" if found.columns else ""
    counts = f"{found.added:,} rows added, {found.removed:,} removed, {found.changed:,} changed"
    lines = [f"{_partitions(change.asset, change.records)}: {counts}{columns}"]
    for drift in found.drifts:
        of = f" of {drift.partition}" if drift.partition else ""
        lines.append(f"  drift: {drift.measure}{of} was {drift.before:.4g} and is {drift.now:.4g}")
    if change.is_moved:
        lines.append("  production has published this table since: it cannot be promoted")
    return lines


def _partitions(asset: "LakeAsset", records: "Collection[str]") -> str:
    """A table and some of its partitions, for people."""
    place = first_and_last(sorted(filter(None, records)))
    return f"{asset.table}[{place}]" if place else str(asset.table)
