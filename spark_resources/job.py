"""A job and its manifest: the data that an engine receives and the data that it returns.

A job describes one computation, and its manifest lists the files that the computation wrote and how
they passed their audit. Both travel as JSON, so the same job runs in this process, on local Spark,
as an EMR step or on EMR Serverless. This module uses nothing but the standard library, because a
cluster has nothing but Spark and the project's wheel.

Column types are written as in the Iceberg specification: ``int``, ``long``, ``double``, ``float``,
``boolean``, ``string``, ``date``, ``timestamp``, ``binary``, ``decimal(18,5)``, ``list<float>``.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, TypeAlias
from uuid import uuid4

from spark_resources.rebuilt import rebuilt

FORMAT_VERSION: Final = 3

Kind: TypeAlias = Literal[
    "query", "fixpoint", "word2vec", "neighbours", "linear_text", "comprehend"
]
KERNEL_VERSIONS: Final[Mapping[Kind, int]] = {"linear_text": 1}
"""Raise a kernel's number when it learns something else from the same: its tables become stale.

A kind that is not listed has never changed.
"""
Json: TypeAlias = Any


class JobFormatError(ValueError):
    """A text is no job or manifest of this format version."""


def fresh_token() -> str:
    """A random token, for an attempt that no other process may re-attach to."""
    return uuid4().hex


@dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    Attributes:
        uri: Where the file lies.
        constants: Column values that hold for every row of this file and are not in it.
        first_line: For text, the number of its first line within all files together, from 1.
    """

    uri: str
    constants: Mapping[str, str] = field(default_factory=dict)
    first_line: int = 1


@dataclass(frozen=True)
class CatalogTable:
    """How a catalog knows the rows of a source, for engines that read tables instead of files.

    Attributes:
        name: ``namespace.name``.
        columns: The name that the table has for each column of the source, where it has one.
        partition_column: The column that the table is partitioned by, if it is.
        partitions: The partitions that the source consists of; None for all.
    """

    name: str
    columns: Mapping[str, str]
    partition_column: str | None = None
    partitions: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Source:
    """Files that a job reads as one table.

    Attributes:
        format: ``parquet``, or ``lines`` for newline-aligned UTF-8 text: one row per line, with the
            columns ``line``, ``line_number`` and every constant of the file.
        schema: Column name to type; without files the source is an empty table of this schema.
        files: The files, in order.
        snapshot_id: The snapshot of the table that the files belong to, if there is one.
        former: Of Parquet, other names under which older files hold a column.
        table: The table of the catalog that the files belong to, if there is one.
    """

    format: Literal["parquet", "lines"]
    schema: Mapping[str, str]
    files: tuple[SourceFile, ...] = ()
    snapshot_id: int | None = None
    former: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    table: CatalogTable | None = None


@dataclass(frozen=True)
class Destination:
    """Where a job writes its Parquet files.

    Attributes:
        uri: A new prefix, to which no other attempt writes.
        partition_column: The column whose value is constant within each file, if any.
        partition_keys: The values that may occur in it, as text.
    """

    uri: str
    partition_column: str | None = None
    partition_keys: tuple[str, ...] = ()

    @property
    def is_one_partition(self) -> bool:
        """Whether all rows belong to the same partition."""
        return len(self.partition_keys) == 1


@dataclass(frozen=True)
class KeyedCheck:
    """A check that compares rows with equal keys only, such as that a key is unique.

    Attributes:
        key: The key's columns. An engine may run the query on one range of keys after the other
            and add up the numbers, which bounds its memory.
        sql: A query whose one value is the number of failing rows.
        is_unique: Whether the check is that no two rows of ``output`` have the same key.
    """

    key: tuple[str, ...]
    sql: str
    is_unique: bool = False


@dataclass(frozen=True)
class Bound:
    """What an aggregate counts, for engines that know the nulls and extremes of a column.

    Attributes:
        column: The column.
        least: Smaller integers are counted.
        greatest: Greater integers are counted. Without any bound, nulls are counted.
    """

    column: str
    least: int | None = None
    greatest: int | None = None

    @property
    def is_null(self) -> bool:
        """Whether nulls are counted."""
        return self.least is None and self.greatest is None


@dataclass(frozen=True)
class Audit:
    """Queries over what the job wrote (table ``output``) and its inputs.

    Attributes:
        summary_sql: A query for one row. Its columns are ``rows``, then the number of failing rows
            of each check, then measures of the output. Empty if all of them are aggregates.
        examples_sql: A query for a few failing rows of each check; only run if some fail.
        report_sql: Named small queries whose rows travel back in the manifest (preview, plots).
        keyed: The checks that are not in the summary, by name.
        aggregates: The columns that are not in the summary because an engine can take them while
            it writes: aggregate expressions over the columns of ``output``, by name.
        bounds: What some of the aggregates count, by name.
    """

    summary_sql: str
    examples_sql: Mapping[str, str] = field(default_factory=dict)
    report_sql: Mapping[str, str] = field(default_factory=dict)
    keyed: Mapping[str, KeyedCheck] = field(default_factory=dict)
    aggregates: Mapping[str, str] = field(default_factory=dict)
    bounds: Mapping[str, Bound] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One computation: inputs, SQL in the engine's dialect, destination and audits.

    Attributes:
        token: The idempotency key of this attempt. Its manifest must repeat it.
        kind: ``query`` writes what ``sql`` selects. ``fixpoint`` starts from ``sql`` as table
            ``state`` and repeats ``parameters["step_sql"]`` until the number of rows stays the
            same, at most ``parameters["max_rounds"]`` times, then writes what
            ``parameters["result_sql"]`` selects. Steps only ever compare the columns in
            ``parameters["keys"]`` for equality, so an engine may replace their values by numbers.
            The learning kinds feed what ``sql`` selects to a model.
        inputs: Table name to source.
        sql: A single SELECT over the inputs.
        schema: Columns of the output, name to type, in order.
        destination: Where the output goes.
        audit: What the engine evaluates on the output before it is published.
        parameters: What the kind needs beyond SQL.
        labels: ``asset``, ``partitions`` and ``run``, which become tags of a remote job.
    """

    token: str
    kind: Kind
    inputs: Mapping[str, Source]
    sql: str
    schema: Mapping[str, str]
    destination: Destination
    audit: Audit
    parameters: Mapping[str, Json] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Serialise for the entry point."""
        return json.dumps({"job_version": FORMAT_VERSION, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Read what :meth:`to_json` wrote.

        Raises:
            JobFormatError: It was written by another format version or is no job.
        """
        job: Job = rebuilt(cls, _versioned(text, "job_version"))
        return job


@dataclass(frozen=True)
class DataFile:
    """One Parquet file that a job wrote.

    Attributes:
        uri: Where it lies.
        rows: In it.
        bytes: Its length.
        partition: The one that all its rows belong to, if the table has partitions.
        crc32: Of its bytes, in eight hex digits, if the engine has read them for that. Otherwise
            whoever publishes the file reads it.
    """

    uri: str
    rows: int
    bytes: int
    partition: str | None = None
    crc32: str | None = None


@dataclass(frozen=True)
class AuditResult:
    """How many rows failed a check, and a few of them."""

    name: str
    failed: int
    examples: tuple[Mapping[str, Json], ...] = ()


@dataclass(frozen=True)
class Manifest:
    """What a job did.

    An engine writes it after everything else, so a job without a manifest has not succeeded.

    Attributes:
        token: The job's token.
        rows: Rows written.
        files: The files written; a partition without rows has none.
        audits: One result per check, in the order of the job's audit.
        reports: Rows of the job's report queries.
        timings: Seconds by phase.
        facts: Versions, memory, rounds, ids of the remote job, for Dagster's metadata.
        measures: Columns of the audit's summary that are not checks.
    """

    token: str
    rows: int
    files: tuple[DataFile, ...]
    audits: tuple[AuditResult, ...]
    reports: Mapping[str, tuple[Mapping[str, Json], ...]] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)
    measures: Mapping[str, Json] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.bytes for file in self.files)

    def to_json(self) -> str:
        """Serialise for the runner; values that JSON lacks become text."""
        return json.dumps({"manifest_version": FORMAT_VERSION, **asdict(self)}, default=str)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read what :meth:`to_json` wrote.

        Raises:
            JobFormatError: It was written by another format version or is no manifest.
        """
        manifest: Manifest = rebuilt(cls, _versioned(text, "manifest_version"))
        return manifest


def _versioned(text: str, key: str) -> dict[str, Any]:
    data = json.loads(text)
    if not isinstance(data, dict) or data.pop(key, None) != FORMAT_VERSION:
        raise JobFormatError(f"expected a document with {key} {FORMAT_VERSION}")
    return data
