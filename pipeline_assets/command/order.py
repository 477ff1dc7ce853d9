"""What `update` does from its options to its last line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from pipeline_assets.command.boundary import FAILED
from pipeline_assets.command.care.repair import Repair, find_damages
from pipeline_assets.command.selection import Selection, selection
from pipeline_assets.command.session import Session
from pipeline_assets.command.survey import Survey
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.table import WHOLE_TABLE
from pipeline_assets.dataset.values.texts import printable
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.zone import Listing
from pipeline_assets.orchestration.told import fail_abandoned_runs, register
from pipeline_assets.staleness.outside_systems import OutsideVersions
from pipeline_assets.staleness.stale_partitions import Stale, nothing_forced
from pipeline_assets.staleness.withdrawals import emptied, kept, withdrawn_lines

if TYPE_CHECKING:
    from pipeline_assets.command.runs import Outcome


@dataclass(frozen=True)
class Order:
    """The options of `update`; the command's own help explains them."""

    select: str | None = None
    partition: str | None = None
    again: bool = False
    declared: bool = False
    accept: bool = False
    withdraw: bool = False
    repair: bool = False


def carry_out(session: Session, order: Order) -> int:
    """Bring what was chosen up to date, and return the exit code.

    Raises:
        PipelineError: The order makes no sense, or the lake or the landing zone cannot be read.
    """
    from pipeline_assets.iceberg.upkeep.verification import damaged_manifests

    if order.again and not (order.select or order.partition):
        raise PipelineError("--again alone would materialise all: add --select or --partition")
    # A run whose process was killed would otherwise count as running for ever.
    fail_abandoned_runs(session.instance)
    whole = session.survey(keeps_overrides=not order.declared)
    chosen = selection(whole.assets, order.select, order.partition, session.graph)
    survey = chosen.narrowed(whole)
    read, unread = _read_stream(session, chosen.assets(survey), order)
    listings, notes = _listings(survey, chosen, withdraws=order.withdraw)
    outside = survey.outside(withdraws=order.withdraw)
    register(session.instance, survey.sources, listings)
    chosen.require_partition(survey, listings)
    damages = find_damages(session, chosen.assets(survey)) if order.repair else Repair()
    is_forced = damages.forced(chosen.holds if order.again else nothing_forced)
    found = survey.stale(listings, outside, is_forced)
    stale = [item for item in found if chosen.holds(item.asset, item.key)]
    outcomes = [*read, *(_materialised(session, stale, order) if stale else [])]
    for note in (*notes, *outside.notes):
        click.echo(f"note: {printable(note)}", err=True)
    problems = [*unread, *_problems(listings, outside), *damages.problems, *damages.hopeless(found)]
    since = replace(survey, moment=session.moment()) if stale else survey
    tables = [asset.table for asset in chosen.assets(since)]
    problems += damaged_manifests(since.lake, tables)
    key = order.partition or WHOLE_TABLE
    unaudited = [asset for asset in since.unaudited() if chosen.holds(asset, key)]
    if unaudited:
        from pipeline_assets.command.tables.audit import audited_again

        problems += audited_again(session.updater(), unaudited)
    if not _tell(problems, outcomes):
        return FAILED
    for asset in unaudited:
        click.echo(f"{asset.table}: its checks changed, and what is published passes them")
    if outcomes:
        from pipeline_assets.command.console import changes

        click.echo(changes(session, outcomes))
    elif not unaudited:
        click.echo(_nothing_run(listings, outside, order.select))
    return 0


def _listings(
    survey: Survey, chosen: Selection, *, withdraws: bool
) -> tuple[Mapping[str, Listing], list[str]]:
    listings = chosen.of(survey.listings())
    gone = {
        name: {key: each for key, each in found.items() if chosen.partition in (None, key)}
        for name, found in survey.withdrawn(listings).items()
    }
    if withdraws:
        return emptied(listings, gone), []
    return kept(listings, gone), list(withdrawn_lines(gone))


def _read_stream(
    session: Session, chosen: Sequence[LakeAsset], order: Order
) -> "tuple[list[Outcome], list[str]]":
    """Read the stream, if all of what reads it was chosen; what came of it, and what went wrong."""
    outcomes: list[Outcome] = []
    is_asked = any(it.keeps_newest for it in chosen) and not order.partition
    if session.deployment.stream is None or not is_asked:
        return outcomes, []
    from pipeline_assets.command.stream.reading import read_stream

    updater = session.updater(keeps_overrides=not order.declared)
    try:
        outcomes.extend(read_stream(updater, accepts_loss=order.accept))
    except PipelineError as error:
        return outcomes, [str(error)]
    return outcomes, []


def _problems(listings: Mapping[str, Listing], outside: OutsideVersions) -> list[str]:
    found = [problem for listing in listings.values() for problem in listing.problems]
    return [*found, *outside.problems]


def _materialised(session: Session, stale: Sequence[Stale], order: Order) -> "list[Outcome]":
    from pipeline_assets.command.batches import batches
    from pipeline_assets.command.console import ProgressBars

    work = batches(stale)
    landing = session.deployment.landing.uri
    with ProgressBars(sum(len(batch.assets) for batch in work), landing) as bars:
        updater = session.updater(bars, keeps_overrides=not order.declared)
        return list(updater.run(work, accepts=order.accept, withdraws=order.withdraw))


def _tell(problems: Iterable[str], outcomes: "Sequence[Outcome]") -> bool:
    """Print warnings and errors, a line each; whether there were no errors."""
    for line in (line for outcome in outcomes for line in outcome.warnings):
        click.echo(f"warning: {printable(line)}", err=True)
    errors = [*problems, *(line for outcome in outcomes for line in outcome.failures)]
    for line in errors:
        click.echo(f"error: {printable(line)}", err=True)
    return not errors


def _nothing_run(
    listings: Mapping[str, Listing], outside: OutsideVersions, select: str | None
) -> str:
    """Why an update had nothing to do."""
    lines = [f"{name} is not expected: {reason}" for name, reason in outside.idle.items()]
    if not any(listing.partitions for listing in listings.values()) and listings:
        lines.append("Nothing has landed of what was asked for; see `doctor` for the landing zone.")
    chosen = "Of what was chosen, nothing is stale" if select else "Everything is up to date"
    return "\n".join([*lines, f"{chosen}; nothing was run."])
