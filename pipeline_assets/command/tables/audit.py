"""`audit`: evaluates today's checks on what is published, without computing it anew."""

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import dagster as dg

    from pipeline_assets.command.session import Session
    from pipeline_assets.command.update import Updater
    from pipeline_assets.dataset.asset import LakeAsset


@click.command()
@click.argument("table")
@click.pass_obj
def audit(session: "Session", table: str) -> None:
    """Evaluate today's checks on what is published of a table; nothing is computed anew."""
    session.require_lake()
    updater, asset = session.updater(), session.asset(table)
    if not session.deployment.lake.records(asset.table):
        click.echo(f"Nothing of {table} is published; nothing was audited.")
        return
    found = updater.audit(asset)
    for evaluation in found:
        click.echo(f"{'ok  ' if evaluation.passed else 'FAIL'} {_told(evaluation)}")
    if any(map(_is_broken, found)):
        sys.exit(1)


def audited_again(updater: "Updater", assets: "Iterable[LakeAsset]") -> Iterator[str]:
    """Audit assets whose checks have changed; a line for each check that fails as an error."""
    for asset in assets:
        for evaluation in filter(_is_broken, updater.audit(asset)):
            yield f"{asset.table}: what is published fails {_told(evaluation)}"


def _is_broken(evaluation: "dg.AssetCheckEvaluation") -> bool:
    return not evaluation.passed and evaluation.severity.value == "ERROR"


def _told(evaluation: "dg.AssetCheckEvaluation") -> str:
    """The check's name, and what its result says."""
    described = f": {evaluation.description}" if evaluation.description else ""
    return f"{evaluation.check_name}{described}"
