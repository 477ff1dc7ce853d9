"""The commands that keep a lake sound: clean, recover, backup, verify.

What they need is imported when they run, so that other commands start without it.
"""

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline_assets.errors import PipelineError

if TYPE_CHECKING:
    from pipeline_assets.command.session import Session
    from pipeline_assets.iceberg.upkeep.verification import Verified

KEPT_HOURS: Final = 168.0
"""A week: how long what was replaced can be restored, and how long garbage is kept."""
SHORTEST_HOURS: Final = 6.0
"""A job on a cluster may take so long by default; nothing refers to its files before it ends."""
LONGEST_HOURS: Final = 24 * 366 * 100.0


class Hours(click.ParamType[float]):
    """A number of hours that no unfinished run can exceed; `nan` and `inf` are none."""

    name = "hours"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - what click hands over
        param: click.Parameter | None,
        context: click.Context | None,
    ) -> float:
        """The number, or click's error of one line."""
        hours = click.FLOAT.convert(value, param, context)
        if not SHORTEST_HOURS <= hours <= LONGEST_HOURS:
            self.fail(
                f"{value} is not between {SHORTEST_HOURS:g} and {LONGEST_HOURS:g}: a run that "
                "lasts longer could lose what it has written",
                param,
                context,
            )
        return float(hours)


@click.command()
@click.option(
    "--older-than",
    type=Hours(),
    default=KEPT_HOURS,
    show_default=True,
    help=f"Hours, at least {SHORTEST_HOURS:g}: what was replaced later can still be restored.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.pass_obj
def clean(session: "Session", older_than: float, dry_run: bool) -> None:
    """Expire old snapshots, and remove files that were found to be garbage so long ago.

    Garbage is condemned by one pass and removed by a later one. Nothing of a table is removed while
    the catalog and the storage disagree about it.
    """
    session.require_lake()
    from pipeline_assets.iceberg.upkeep import cleaning
    from pipeline_assets.profiles.profiles import PROFILES

    lake, before = session.deployment.lake, datetime.now(UTC) - timedelta(hours=older_than)
    lake.access.require()
    store, problems = session.deployment.store(session.settings.lake_uri), False
    for cleaned in cleaning.clean(
        lake, store, session.tables, before, compacted=[PROFILES], is_dry=dry_run
    ):
        click.echo(f"{'would be: ' if dry_run else ''}{cleaned}", err=bool(cleaned.problem))
        problems |= bool(cleaned.problem)
    if problems:
        sys.exit(1)


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--from", "place", help="A backup: what is missing of catalog and Dagster home.")
@click.pass_obj
def recover(session: "Session", dry_run: bool, place: str | None) -> None:
    """Rebuild the catalog from the metadata that lies in the lake; no file of the lake is removed.

    Also for a lake that was moved, and for a catalog that is damaged or older than the lake. Stop
    whatever publishes first.
    """
    session.require_production("recover")
    if not place:
        session.require_lake()
    from pipeline_assets.command.care.backup import take_back
    from pipeline_assets.iceberg.upkeep import recovery

    access = session.deployment.lake.access
    if place and not dry_run:
        click.echo(f"{take_back(session, place)} files taken from {place}")
    if aside := recovery.set_damaged_aside(access, is_dry=dry_run):
        would = "would be" if dry_run else "is"
        click.echo(f"the catalog is no whole database any more: it {would} kept as {aside}")
    known = recovery.without_catalog(access) if dry_run and aside else access
    found = list(recovery.recover(known, is_dry=dry_run))
    for table in found:
        click.echo(f"{'would be: ' if dry_run else ''}{table}")
        for loss in table.losses:
            click.echo(f"error: {table.name}: {loss}", err=True)
    changed, lossy = sum(it.is_changed for it in found), sum(bool(it.losses) for it in found)
    click.echo(
        f"{len(found)} tables, {changed} of them changed in the catalog, {lossy} with losses"
    )
    if lossy:
        sys.exit(1)


@click.command()
@click.argument("to")
@click.pass_obj
def backup(session: "Session", to: str) -> None:
    """Copy what is not in the lake, catalog and Dagster home, into a new folder below TO."""
    session.require_production("backup")
    session.require_lake()
    from pipeline_assets.command.care.backup import back_up

    folder, copied = back_up(session, to)
    click.echo(f"{copied} files in {folder}; to use them: pipeline-assets recover --from {folder}")


@click.command()
@click.argument("table", required=False)
@click.option("--deep", is_flag=True, help="Read every file and compare its checksum.")
@click.pass_obj
def verify(session: "Session", table: str | None, deep: bool) -> None:
    """Compare what is published with what is there: files, exports, rows in the warehouse.

    Without --deep only existence and lengths are compared, which takes seconds.
    """
    session.require_lake()
    from pipeline_assets.profiles.profiles import PROFILES

    session.deployment.lake.access.require()
    verifier = session.deployment.verifier(deep=deep)
    if table:
        session.table(table)  # or it says which tables there are
    chosen, damages = [it for it in session.assets if table in (None, str(it.table))], 0
    for asset, found in verifier.verify_all(chosen):
        damages += _told(str(asset.table), found, deep=deep)
    if table in (None, str(PROFILES)):
        damages += _told(str(PROFILES), verifier.verify_table(PROFILES), deep=deep)
    if damages:
        click.echo(f"{damages} damages; to mend what can be: pipeline-assets update --repair")
        sys.exit(1)


def _told(name: str, found: "Verified | PipelineError", *, deep: bool) -> int:
    """Say what was found of a table, and return the number of damages."""
    if isinstance(found, PipelineError):
        click.echo(f"error: {name}: {found}", err=True)
        return 1
    how = " (decoded in full instead)" if deep and found.unsealed else ""
    click.echo(f"{'FAIL' if found.damages else 'ok  '} {found}{how}")
    for damage in found.damages:
        click.echo(f"error: {name}: {damage}", err=True)
    return len(found.damages)
