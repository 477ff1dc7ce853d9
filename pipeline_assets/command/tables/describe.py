"""What `describe` and `history` print of a table: its columns, checks, config and partitions."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from pipeline_assets.dataset.values.texts import printable

if TYPE_CHECKING:
    from pipeline_assets.command.session import Session
    from pipeline_assets.dataset.asset import LakeAsset
    from pipeline_assets.dataset.values.config import Fields
    from pipeline_assets.dataset.values.table import PartitionRecord


@click.command()
@click.argument("table")
@click.pass_obj
def describe(session: "Session", table: str) -> None:
    """Say what a table holds, how it is read, and which config each of its partitions has."""
    from pipeline_assets.orchestration.policies.freshness import describe, freshness_of

    asset, no_lake = session.asset(table), session.no_lake()
    # To open the catalog of a lake that is not there would create it.
    records = {} if no_lake else session.deployment.lake.records(asset.table)
    for line in description(asset, records):
        click.echo(printable(line))
    click.echo(f"fresh while {describe(freshness_of(asset))}")
    if no_lake:
        click.echo(printable(no_lake))
        return
    if history := session.deployment.lake.history(asset.table):
        click.echo(f"last published {history[-1].committed_at:%Y-%m-%d %H:%M:%S} UTC")
    click.echo(f"read it: pipeline-assets query 'FROM {asset.table} LIMIT 10', or in Python")
    click.echo(f'         pipeline_assets.open_lake()["{asset.table}"].to_pandas()')


def description(asset: "LakeAsset", records: "Mapping[str, PartitionRecord]") -> Iterator[str]:
    """The lines of a table's description.

    Args:
        asset: Whose table.
        records: Its published partitions by key.
    """
    from pipeline_assets.dataset.sql import type_name

    yield f"{asset.table}: {asset.description}"
    yield "columns"
    for column in asset.table.contract.columns:
        yield f"  {column.name:<24} {type_name(column.type):<14} {column.description}"
    yield "checks"
    for check in (*asset.all_checks, *(each.check for each in asset.comparisons)):
        yield f"  {check.severity:<5} {check.name}: {check.description}"
    yield from _config(asset)
    yield "published" if records else "nothing is published"
    for key, record in sorted(records.items()):
        yield f"  {key or 'whole table':<24} {told(record)}"


def told(record: "PartitionRecord") -> str:
    """How many rows a partition has, and the config that a run has asked for."""
    asked = f" with {_fields(record.override)}, which a run has asked for"
    return f"{record.rows:,} rows" + (asked if record.override else "")


def _config(asset: "LakeAsset") -> Iterator[str]:
    """Every field with the value that is declared, or else its default; then the partitions'."""
    from pipeline_assets.dataset.values.config import plain

    config, config_type = asset.config(), asset.config_type
    if config is None or config_type is None:
        return
    yield "config"
    for name, value in plain(config).items():
        source = "declared" if name in asset.declared.fields else "default"
        meaning = config_type.model_fields[name].description or ""
        yield f"  {name} = {value} ({source}): {meaning}"
    for key, fields in asset.declared.partitions.items():
        yield f"  partition {key}: {_fields(fields)} (declared)"


def _fields(fields: "Fields") -> str:
    return ", ".join(f"{name}={value}" for name, value in fields.items())
