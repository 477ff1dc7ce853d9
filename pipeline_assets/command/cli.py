"""The ``pipeline-assets`` command.

Each subcommand finds its parts in a :class:`Session`, so that a test can hand it other settings.
Whatever goes wrong ends as one line; see :mod:`pipeline_assets.command.boundary`.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pipeline_assets.command.boundary import DEBUG, FAILED, obey_sigterm, one_line_errors
from pipeline_assets.command.care.commands import backup, clean, recover, verify
from pipeline_assets.command.environments.commands import env
from pipeline_assets.command.projects.commands import init, new
from pipeline_assets.command.session import Session
from pipeline_assets.command.tables.audit import audit
from pipeline_assets.command.tables.describe import describe, told
from pipeline_assets.command.tables.listing import tables
from pipeline_assets.command.tables.query import query
from pipeline_assets.command.tables.redshift_ddl import redshift_ddl
from pipeline_assets.command.tables.release import release
from pipeline_assets.dataset.values.texts import first_and_last, printable
from pipeline_assets.errors import PipelineError
from pipeline_assets.garbage import look_for_garbage_less_often
from pipeline_assets.serving.command import catalog, serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pipeline-assets", prog_name="pipeline-assets")
@click.option(DEBUG, is_flag=True, expose_value=False, help="Show the stack trace of an error.")
@click.pass_context
def cli(context: click.Context) -> None:
    """Recommender data: from landing files to published tables."""
    context.obj = context.obj or Session()


@cli.command()
@click.option("--out", type=click.Path(path_type=Path), help="Landing folder.")
@click.option("--scale", type=click.FloatRange(min=0, min_open=True), default=1.0)
@click.option("--seed", type=int, default=0, help="Same seed, same bytes.")
@click.option("--damage", type=click.FloatRange(0, 1), default=0.0, help="Share of damaged rows.")
@click.option(
    "--end",
    type=click.DateTime(["%Y-%m-%d"]),
    default=lambda: f"{datetime.now(UTC):%Y-%m-%d}",
    help="The day after the last daily file; today in UTC unless given.",
)
@click.option("--stream", is_flag=True, help="Put events into the stream that settings name.")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=100.0, help="A second."
)
@click.option("--seconds", type=click.FloatRange(min=0), default=10.0, help="How long to put them.")
@click.pass_obj
def sample(session: Session, /, **options: Any) -> None:  # noqa: ANN401 - the fields of an order
    """Write landing files in the vendors' formats; scale 1 takes seconds, 100 is a real load.

    Only landing files are written, and a hidden list of them. A file that would not change is left
    alone, and a file that is no sample is never overwritten. With --stream, events of now go into
    the stream instead, at a rate of so many a second.
    """
    from pipeline_assets.command.stream.sampling import SampleOrder, carry_out

    click.echo(carry_out(session, SampleOrder(**options)))


@cli.command()
@click.option("--select", help="Dagster asset selection, for instance 'key:\"taobao/*\"'.")
@click.option("--partition", help="Only this partition key.")
@click.option("--again", is_flag=True, help="Materialise what is chosen even if nothing changed.")
@click.option(
    "--declared", is_flag=True, help="Forget config that runs have asked for; use the declared."
)
@click.option("--repair", is_flag=True, help="Read all that is published; mend what is damaged.")
@click.option(
    "--accept", is_flag=True, help="Publish deliveries that are refused because so much is missing."
)
@click.option(
    "--withdraw", is_flag=True, help="Follow vendors and databases that have withdrawn data."
)
@click.pass_obj
def update(session: Session, /, **options: Any) -> None:  # noqa: ANN401 - the fields of an order
    """Materialise what depends on changes outside the lake; a second run finds nothing to do."""
    from pipeline_assets.command.order import Order, carry_out

    if code := carry_out(session, Order(**options)):
        sys.exit(code)


def _tell(notes: Iterable[str]) -> None:
    for note in notes:
        click.echo(f"note: {printable(note)}", err=True)


def _refuse(problems: Iterable[str]) -> None:
    """Print what is wrong, a line each, and end with an exit code if anything is."""
    found = list(problems)
    for problem in found:
        click.echo(f"error: {printable(problem)}", err=True)
    if found:
        sys.exit(FAILED)


@cli.command()
@click.argument("table")
@click.pass_obj
def history(session: Session, table: str) -> None:
    """List every publish of a table, oldest first."""
    from pipeline_assets.iceberg.upkeep.verification import damaged_manifests

    session.require_lake()
    found, lake = session.published(table), session.moment()
    lake.require_newest([found])
    for entry in lake.history(found):
        mark = "*" if entry.is_current else " "
        changes = ", ".join(
            f"{key or 'whole table'} {told(record)}" if record else f"{key} removed"
            for key, record in entry.records.items()
        )
        line = f"{mark} {entry.snapshot_id:<20} {entry.committed_at:%Y-%m-%d %H:%M:%S} {changes}"
        click.echo(printable(line))
    _refuse(damaged_manifests(lake, [found]))


@cli.command()
@click.argument("table")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw it into this PNG instead.")
@click.pass_obj
def profile(session: Session, table: str, plot: Path | None) -> None:
    """Compare the partitions of a table: rows, shares of nulls, means."""
    session.require_lake()
    from pipeline_assets.command.console import show
    from pipeline_assets.dataset.plots import png
    from pipeline_assets.profiles.profile_plot import profile_plot
    from pipeline_assets.profiles.profiles import history_of
    from pipeline_assets.reading.query import Answer

    chosen = session.table(table)
    found = history_of(session.deployment.lake, chosen)
    if plot:
        divided = session.asset(table).partitioning
        picture = profile_plot(table, is_ordered=divided is None or divided.is_ordered)
        if not plot.resolve().parent.is_dir():
            raise PipelineError(f"--plot {plot}: there is no folder {plot.resolve().parent}")
        plot.write_bytes(png(picture, found.to_pylist()))
        click.echo(f"{plot}: {table}, each measure relative to its median")
        return
    columns = found.column_names
    rows = (tuple(row[name] for name in columns) for row in found.to_pylist())
    show(Answer(tuple(columns), rows), "table")


@cli.command()
@click.argument("table")
@click.option("--snapshot", type=int, required=True, help="An id that `history` shows.")
@click.option("--partition", multiple=True, help="Only this partition; may be given repeatedly.")
@click.pass_obj
def restore(session: Session, table: str, snapshot: int, partition: tuple[str, ...]) -> None:
    """Publish again what a snapshot held; the present snapshot stays in the history."""
    session.require_lake()
    _refuse_exports(session, table)
    chosen = session.table(table)
    restored = session.deployment.lake.restore(chosen, snapshot, list(partition) or None)
    for key, record in restored.items():
        what = f"{record.rows:,} rows" if record else "removed: it did not exist then"
        click.echo(printable(f"{table} {key or 'whole table'}: {what}"))


@cli.command()
@click.pass_obj
def missing(session: Session) -> None:
    """List what `update` would materialise, and why."""
    from pipeline_assets.iceberg.upkeep.verification import damaged_manifests
    from pipeline_assets.staleness.withdrawals import kept, withdrawn_lines

    session.require_lake()
    survey = session.survey()
    outside = survey.outside()
    listings = survey.listings()
    withdrawn = survey.withdrawn(listings)
    stale = survey.stale(kept(listings, withdrawn), outside)
    for name, reason in outside.idle.items():
        click.echo(f"{name:<36} {'':<24} not expected: {reason}")
    _tell((*withdrawn_lines(withdrawn), *outside.notes))
    for problem in outside.problems:
        click.echo(f"error: {printable(problem)}", err=True)
    by_reason: dict[tuple[str, str], list[str]] = {}
    for item in stale:
        by_reason.setdefault((item.asset.name, item.reason), []).append(item.key)
    for (name, reason), keys in by_reason.items():
        click.echo(printable(f"{name:<36} {first_and_last(sorted(keys)):<24} {reason}"))
    counts = Counter(item.asset.name for item in stale)
    for asset in survey.unaudited():
        click.echo(f"{asset.name:<36} {'':<24} its checks changed: it will be audited again")
    click.echo(
        f"{sum(counts.values())} partitions of {len(counts)} assets have to be materialised."
    )
    _refuse(damaged_manifests(survey.lake, survey.tables.values()))


cli.add_command(tables)
cli.add_command(query)
cli.add_command(release)
cli.add_command(env)
cli.add_command(redshift_ddl)
cli.add_command(clean)
cli.add_command(recover)
cli.add_command(backup)
cli.add_command(verify)


@cli.command()
@click.option("--ui-port", type=click.IntRange(1, 65535), help="A port that the UI will need.")
@click.pass_obj
def doctor(session: Session, ui_port: int | None) -> None:
    """Check settings, storage, catalog and engines, and say how to repair what is wrong."""
    from pipeline_assets.command import doctor as health

    home = session.settings.dagster_home
    findings = list(health.examine(session.deployment, home, session.assets))
    if ui_port:
        findings.append(health.ui_port(ui_port))
    for finding in findings:
        line = f"{'ok  ' if finding.ok else 'FAIL'} {finding.what}: {finding.details}"
        click.echo(printable(line))
    if not all(finding.ok for finding in findings):
        sys.exit(1)


cli.add_command(describe)
cli.add_command(audit)
cli.add_command(init)
cli.add_command(new)
cli.add_command(serve)
cli.add_command(catalog)


def _refuse_exports(session: Session, name: str) -> None:
    # The table of an export only lists objects, which a restored snapshot would not bring back.
    for asset in session.assets:
        if asset.export and str(asset.table) == name:
            inputs = " or ".join(spec.upstream.replace("/", ".") for spec in asset.inputs)
            raise PipelineError(f"{name} lists exported objects: restore {inputs}, then update")


def main() -> None:
    """Run the command."""
    arguments = [word for word in sys.argv[1:] if word != DEBUG]
    obey_sigterm()
    look_for_garbage_less_often()
    with one_line_errors(debug=DEBUG in sys.argv):
        # Not in click's standalone mode, which calls Ctrl-C a failure.
        sys.exit(cli.main(arguments, prog_name="pipeline-assets", standalone_mode=False))
