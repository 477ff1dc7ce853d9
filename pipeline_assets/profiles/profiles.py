"""Profiles: statistics of every published partition, appended to ``lake.profiles``.

A profile holds the row count of a partition, and for each column the share of nulls, the share of
each class, mean and standard deviation. The engine computes them in the same pass as the audit, so
a profile does not read the data a second time.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from pipeline_assets.dataset.contract import (
    Column,
    Contract,
    Double,
    Field,
    Long,
    String,
    TableContract,
    Timestamp,
)
from pipeline_assets.dataset.sql import rows_where
from pipeline_assets.dataset.values.table import LakeTable, PartitionRecord
from spark_resources.job import Manifest

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline_assets.iceberg.tables import Lake

PROFILE: Final = "profile"
"""Name of the job's report that holds the measures of several partitions."""
PARTITION: Final = "partition"
_ROWS: Final = "profile_rows"
_USUAL: Final = 1e150
"""Values beyond this are left out: DuckDB fails where a square overflows. So is NaN."""
_NUMBERS: Final = (dt.Integer, dt.Floating, dt.Decimal)


class Profiles(Contract):
    """One row per column of a publish, and one more per class of a column that has classes."""

    table_name: String = Field(description="The table, as `domain.name`.")
    partition: String = Field(description="Key of the partition; empty for a table without.")
    column_name: String = Field(description="The column.")
    class_name: String = Field(nullable=True, description="The class; null for the whole column.")
    rows: Long = Field(ge=0, description="Rows of the partition.")
    share: Double = Field(
        nullable=True, description="Share of the rows that are null, or that are of the class."
    )
    mean: Double = Field(nullable=True, description="Mean of a numeric column that is no id.")
    deviation: Double = Field(nullable=True, description="Its standard deviation, of a sample.")
    run_id: String = Field(description="The Dagster run that published it.")
    published_at: Timestamp = Field(description="When, in UTC.")


PROFILES: Final = LakeTable("lake", "profiles", TableContract.of(Profiles), "table_name")


@dataclass(frozen=True)
class ColumnProfile:
    """The statistics of a column in a partition, or of one class of the column.

    Attributes:
        column_name: The column.
        class_name: The class; None for the whole column.
        rows: Number of rows of the partition.
        share: Share of the rows that are null, or of the class; None without rows.
        mean: Mean of a numeric column that is no identifier.
        deviation: Its sample standard deviation.
    """

    column_name: str
    class_name: str | None
    rows: int
    share: float | None
    mean: float | None = None
    deviation: float | None = None


_FIELDS: Final = tuple(ColumnProfile.__dataclass_fields__)


def profile_queries(
    output: ir.Table, table: LakeTable, keys: Sequence[str]
) -> tuple[dict[str, ir.Scalar], dict[str, ir.Table]]:
    """What a job has to compute: aggregates of all its output, or one report row per partition."""
    if table.partition_column is None or len(keys) == 1:
        return measures(output, table.contract, table.partition_column), {}
    return {}, {PROFILE: grouped(output, table.contract, table.partition_column)}


def profiles_in(
    manifest: Manifest, table: LakeTable, keys: Collection[str]
) -> dict[str, tuple[ColumnProfile, ...]]:
    """The profile of each partition that a job wrote; one without rows may have no profile."""
    reported = manifest.reports.get(PROFILE)
    rows = (
        {str(row[PARTITION]): row for row in reported}
        if reported is not None
        else dict.fromkeys(keys, manifest.measures)
    )
    return {
        key: profile_of(row, table.contract, table.partition_column) for key, row in rows.items()
    }


def measures(
    output: ir.Table, contract: TableContract, partition_column: str | None
) -> dict[str, ir.Scalar]:
    """The aggregates of a table from which :func:`profile_of` builds a profile, by name."""
    found: dict[str, ir.Scalar] = {_ROWS: output.count()}
    for place, column in _profiled(contract, partition_column):
        value = output[column.name]
        found[f"profile_{place}_null"] = rows_where(value.isnull())
        for number, name in enumerate(column.classes):
            found[f"profile_{place}_class_{number}"] = rows_where(value == name)
        if _is_measure(column, contract):
            number = value.cast("float64") if value.type().is_decimal() else value
            usual = number.abs() < _USUAL if number.type().is_floating() else None
            found[f"profile_{place}_mean"] = number.mean(where=usual)
            found[f"profile_{place}_deviation"] = number.std(where=usual, how="sample")
    return found


def grouped(output: ir.Table, contract: TableContract, partition_column: str) -> ir.Table:
    """The same aggregates for each partition of a table."""
    key = output[partition_column].cast("string").name(PARTITION)
    return output.group_by(key).aggregate(**measures(output, contract, partition_column))


def profile_of(
    row: Mapping[str, Any], contract: TableContract, partition_column: str | None
) -> tuple[ColumnProfile, ...]:
    """Build the profile of a partition from the aggregates."""
    return tuple(
        profile
        for place, column in _profiled(contract, partition_column)
        for profile in _column_profiles(row, f"profile_{place}", column)
    )


def append_profiles(
    lake: "Lake",
    table: LakeTable,
    profiles: Mapping[str, Sequence[ColumnProfile]],
    run_id: str,
) -> None:
    """Append the profiles of partitions to ``lake.profiles``.

    Raises:
        PipelineError: The catalog or the lake cannot be written.
    """
    import pyarrow as pa

    from pipeline_assets.iceberg.growing_tables import append

    origin = {
        "table_name": str(table),
        "run_id": run_id,
        "published_at": datetime.now(UTC).replace(tzinfo=None),
    }
    rows = [
        {**origin, PARTITION: key, **asdict(profile)}
        for key, found in profiles.items()
        for profile in found
    ]
    if rows:
        append(lake, PROFILES, pa.Table.from_pylist(rows, schema=lake.arrow_schema(PROFILES)))


def drop_profiles(lake: "Lake", files: Collection[str]) -> None:
    """Give up the statistics in damaged files, which would keep every further publish.

    Raises:
        PipelineError: The catalog or the lake cannot be written.
    """
    from pipeline_assets.iceberg.growing_tables import drop_files

    drop_files(lake, PROFILES, files)


def published_profiles(
    lake: "Lake", table: LakeTable, records: Mapping[str, PartitionRecord]
) -> dict[str, tuple[ColumnProfile, ...]]:
    """The profiles of some partitions as they are published now, where a profile exists.

    Raises:
        PipelineError: The catalog or the lake cannot be read.
    """
    found = lake.select(PROFILES, {"table_name": [str(table)], PARTITION: list(records)})
    profiles: dict[str, dict[tuple[str, str | None], ColumnProfile]] = {}
    # A retried step appends its profile again: the last one counts.
    for row in found.sort_by("published_at").to_pylist():
        key = row[PARTITION]
        # A run may have failed after it appended the profile and before it published.
        if row["run_id"] == records[key].run_id:
            column = (row["column_name"], row["class_name"])
            profiles.setdefault(key, {})[column] = ColumnProfile(**{it: row[it] for it in _FIELDS})
    return {key: tuple(columns.values()) for key, columns in profiles.items()}


def history_of(lake: "Lake", table: LakeTable) -> "pa.Table":
    """The profiles of a table's partitions as they are published now, one row per column and class.

    Raises:
        PipelineError: The catalog or the lake cannot be read.
    """
    import pyarrow as pa

    rows = [
        {PARTITION: key, **asdict(profile)}
        for key, profiles in sorted(published_profiles(lake, table, lake.records(table)).items())
        for profile in profiles
    ]
    schema = lake.arrow_schema(PROFILES)
    return pa.Table.from_pylist(
        rows, schema=pa.schema([schema.field(name) for name in (PARTITION, *_FIELDS)])
    )


def _profiled(
    contract: TableContract, partition_column: str | None
) -> Iterable[tuple[int, Column]]:
    """The columns to profile with their places: all but the partition column, which is constant."""
    return (
        (place, column)
        for place, column in enumerate(contract.columns)
        if column.name != partition_column
    )


def _is_measure(column: Column, contract: TableContract) -> bool:
    """Whether a mean makes sense: identifiers, row numbers and classes have none."""
    is_number = isinstance(column.type, _NUMBERS)
    is_name = column.name in contract.unique or column.name.endswith(("id", "_number"))
    return is_number and not is_name and not column.classes


def _column_profiles(
    row: Mapping[str, Any], prefix: str, column: Column
) -> Iterator[ColumnProfile]:
    rows = int(row[_ROWS])
    yield ColumnProfile(
        column_name=column.name,
        class_name=None,
        rows=rows,
        share=_share(row[f"{prefix}_null"], rows),
        mean=_number(row.get(f"{prefix}_mean")),
        deviation=_number(row.get(f"{prefix}_deviation")),
    )
    for number, name in enumerate(column.classes):
        share = _share(row[f"{prefix}_class_{number}"], rows)
        yield ColumnProfile(column.name, str(name), rows, share)


def _share(count: int | None, rows: int) -> float | None:
    return (count or 0) / rows if rows else None


def _number(value: Any) -> float | None:  # noqa: ANN401 - whatever an engine calls a number
    return None if value is None else float(value)
