"""What people see of an asset in Dagster: schema, lineage, counts, preview, plots."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.dataset.inputs import InputSpec
from pipeline_assets.dataset.plots import markdown
from pipeline_assets.dataset.sql import type_name
from pipeline_assets.dataset.values.config import Fields, plain
from pipeline_assets.dataset.values.table import LakeTable, PartitionRecord
from pipeline_assets.profiles.drift import Drift
from pipeline_assets.profiles.profiles import ColumnProfile
from pipeline_assets.publish.asset_audit import PREVIEW
from pipeline_assets.publish.job_metadata import Metadata, job_metadata, other_facts
from pipeline_assets.publish.staging import Lineage, Staged
from spark_resources.job import AuditResult

if TYPE_CHECKING:
    from pipeline_assets.iceberg.tables import Lake


def column_schema(contract: TableContract) -> dg.TableSchema:
    """A contract as Dagster shows it."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=type_name(column.type),
                description=column.description or None,
                tags={"personal_data": "yes"} if column.personal else {},
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable,
                    unique=contract.unique == (column.name,),
                ),
            )
            for column in contract.columns
        ]
    )


def definition_metadata(asset: LakeAsset) -> Metadata:
    """Known before anything ran."""
    return {
        "dagster/column_schema": column_schema(asset.table.contract),
        "dagster/table_name": str(asset.table),
        **_declared_metadata(asset),
    }


def _declared_metadata(asset: LakeAsset) -> Metadata:
    """The config that the deployment declares, of assets that can be configured."""
    config = asset.config()
    if config is None:
        return {}
    by_partition = {key: dict(fields) for key, fields in asset.declared.partitions.items()}
    shown = {"declared_config": plain(config), "declared_config_of_partitions": by_partition}
    return {name: dg.MetadataValue.json(value) for name, value in shown.items() if value}


def staged_metadata(asset: LakeAsset, staged: Staged) -> Metadata:
    """Known once it is written: lineage, preview, plots and what the engine tells."""
    reports = staged.manifest.reports
    return {
        "preview": metadata_table(reports[PREVIEW]),
        **{
            plot.name: dg.MetadataValue.md(markdown(plot, reports[plot.name]))
            for plot in asset.plots
        },
        "dagster/column_schema": column_schema(asset.table.contract),
        **_lineage(asset.reads, staged.lineage),
        **{f"seconds/{name}": round(took, 3) for name, took in staged.manifest.timings.items()},
        **job_metadata(staged.manifest.facts),
        "engine": dg.MetadataValue.json(other_facts(staged.manifest.facts)),
    }


def partition_metadata(
    asset: LakeAsset, record: PartitionRecord, profile: Iterable[ColumnProfile]
) -> Metadata:
    """What is true of one partition only.

    Its numbers become curves over partitions in the UI. Where partitions do not follow one another,
    as train and test, there is a table instead of a line that would join them.
    """
    found = {_curve(each): value for each in profile if (value := _told(each)) is not None}
    rows = {"dagster/partition_row_count": record.rows, "bytes": record.bytes}
    if asset.partitioning is None or asset.partitioning.is_ordered:
        return {**rows, **found}
    figures = [{"figure": name.partition("/")[2], "value": value} for name, value in found.items()]
    return {**rows, "profile": metadata_table(figures)}


def drift_metadata(drifts: Iterable[Drift], compared: int) -> Metadata:
    """With how much a publish was compared, and what differs."""
    rows = [asdict(drift) for drift in drifts]
    return {"compared_partitions": compared, **({"drifts": metadata_table(rows)} if rows else {})}


def _curve(profile: ColumnProfile) -> str:
    suffix = "mean" if profile.class_name is None else f"is {profile.class_name}"
    return f"profile/{profile.column_name} {suffix}"


def _told(profile: ColumnProfile) -> float | None:
    """The mean of a number, the share of a class."""
    return profile.mean if profile.class_name is None else profile.share


def config_metadata(config: Fields | None, override: Fields) -> Metadata:
    """How this publication was configured, and which part of it a run has asked for."""
    shown = {} if config is None else {"config": dg.MetadataValue.json(dict(config))}
    asked = {"config_override": dg.MetadataValue.json(dict(override))} if override else {}
    return {**shown, **asked}


def publish_metadata(table: LakeTable, lake: "Lake", staged: Staged, snapshot: int) -> Metadata:
    """Known once it is published."""
    unpartitioned = {} if table.partition_column else {"dagster/row_count": staged.manifest.rows}
    return {
        **unpartitioned,
        "dagster/table_name": str(table),
        "dagster/uri": lake.location(table),
        "files": len(staged.manifest.files),
        "snapshot_id": str(snapshot),
    }


def check_metadata(result: AuditResult) -> Metadata:
    """How many rows fail, and a few of them."""
    examples = {"examples": metadata_table(result.examples)} if result.examples else {}
    return {"failed_rows": result.failed, **examples}


def _lineage(inputs: Iterable[InputSpec], lineage: Lineage) -> Metadata:
    """Once as Dagster stores it, and once as a table, which its open-source pages show."""
    if not lineage:
        return {}
    specs = {spec.name: spec for spec in inputs}
    deps = {
        column: sorted({(specs[name].key, _stored_column(specs[name], of)) for name, of in sources})
        for column, sources in lineage.items()
    }
    return {
        "dagster/column_lineage": dg.TableColumnLineage(
            {column: [dg.TableColumnDep(*dep) for dep in found] for column, found in deps.items()}
        ),
        "column_sources": metadata_table(
            {"column": column, "comes from": ", ".join(_dotted(*dep) for dep in found)}
            for column, found in deps.items()
        ),
    }


def _dotted(key: dg.AssetKey, column: str) -> str:
    return ".".join((*key.path, column))


def _stored_column(spec: InputSpec, column: str) -> str:
    """Lines are read from the file that the raw table names in ``part_uri``.

    A column that is a field of the line is named after it, such as ``line.sample_id``.
    """
    is_text = spec.read_as != "table" and column in {"line", "line_number"}
    return "part_uri" if is_text else column


def metadata_table(
    rows: Iterable[Mapping[str, Any]],
) -> dg.TableMetadataValue | dg.TextMetadataValue:
    """Rows as a table of Dagster's; a text where there are none."""
    records = [dg.TableRecord({name: _plain(value) for name, value in row.items()}) for row in rows]
    if not records:
        return dg.MetadataValue.text("no rows")
    columns = [dg.TableColumn(name) for name in records[0].data]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=columns))


def told_row(row: Mapping[str, Any]) -> str:
    """A row on one line."""
    return ", ".join(f"{name} = {_plain(value)}" for name, value in row.items())


def _plain(value: object) -> str | int | float | bool | None:
    """A value that Dagster's table shows; long texts and lists are cut, bytes are counted."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    text = f"{len(value):,} bytes" if isinstance(value, bytes) else str(value)
    return text if len(text) <= 120 else text[:119] + "…"
