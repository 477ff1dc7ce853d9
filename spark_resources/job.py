"""A job and its manifest: the plain data an engine is given and the plain data it gives back.

Both travel as JSON, so the same job runs in this process, on local Spark, as an EMR step or on
EMR Serverless. This module uses nothing but the standard library, because a cluster has nothing
but Spark and our wheel.

Column types are written as in the Iceberg specification: ``int``, ``long``, ``double``, ``float``,
``boolean``, ``string``, ``date``, ``timestamp``, ``binary``, ``decimal(18,5)``, ``list<float>``.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, TypeAlias
from uuid import uuid4

FORMAT_VERSION: Final = 3

Kind: TypeAlias = Literal["query", "fixpoint", "word2vec", "neighbours", "linear_text"]
KERNEL_VERSIONS: Final[Mapping[Kind, int]] = {"linear_text": 1}
"""Raise a kernel's number when it learns something else from the same: its tables become stale.

A kind that is not listed has never changed.
"""
Json: TypeAlias = Any


class JobFormatError(ValueError):
    """A job or manifest was written by another format version or is not one at all."""


def fresh_token() -> str:
    """The token of an attempt that nobody else can know of."""
    return uuid4().hex


@dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    Attributes:
        uri: Where the file lies.
        constants: Column values that hold for every row of this file and are not in it.
        first_line: For text, the number of its first line within the whole, from 1.
    """

    uri: str
    constants: Mapping[str, str] = field(default_factory=dict)
    first_line: int = 1


@dataclass(frozen=True)
class Source:
    """Files that a job reads as one table.

    Attributes:
        format: ``parquet``, or ``lines`` for newline-aligned UTF-8 text: one row per line, with the
            columns ``line``, ``line_number`` and every constant of the file.
        schema: Column name to type; makes an empty table where there are no files.
        files: The files, in order.
        snapshot_id: Of the table they belong to, if they do.
    """

    format: Literal["parquet", "lines"]
    schema: Mapping[str, str]
    files: tuple[SourceFile, ...] = ()
    snapshot_id: int | None = None


@dataclass(frozen=True)
class Destination:
    """Where a job writes its Parquet files.

    Attributes:
        uri: A fresh prefix that nothing else writes to.
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
        key: Its columns; an engine may look at rows with some of the keys at a time and add up.
        sql: One row with one column: the number of failing rows.
        is_unique: Whether what fails is that several rows of ``output`` have one key.
    """

    key: tuple[str, ...]
    sql: str
    is_unique: bool = False


@dataclass(frozen=True)
class Audit:
    """Queries over what the job wrote (table ``output``) and its inputs.

    Attributes:
        summary_sql: One row: the column ``rows``, then for each check the number of failing rows,
            then measures of the output.
        examples_sql: For each check, a query for a few failing rows; run only where some fail.
        report_sql: Named small queries whose rows travel back in the manifest (preview, plots).
        keyed: The checks that are not in the summary, by name.
    """

    summary_sql: str
    examples_sql: Mapping[str, str] = field(default_factory=dict)
    report_sql: Mapping[str, str] = field(default_factory=dict)
    keyed: Mapping[str, KeyedCheck] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One computation: inputs, SQL in the engine's dialect, destination and audits.

    Attributes:
        token: Identifies this attempt; a manifest with another token is not ours.
        kind: ``query`` writes what ``sql`` selects. ``fixpoint`` starts from ``sql`` as table
            ``state`` and repeats ``parameters["step_sql"]`` until the number of rows stays the
            same, at most ``parameters["max_rounds"]`` times, then writes what
            ``parameters["result_sql"]`` selects; steps do nothing with the columns in
            ``parameters["keys"]`` but ask whether they are equal. The learning kinds
            feed what ``sql`` selects to a model.
        inputs: Table name to source.
        sql: A single SELECT over the inputs.
        schema: Columns of the output, name to type, in order.
        destination: Where the output goes.
        audit: What is evaluated on the output before anybody may read it.
        parameters: What the kind needs beyond SQL.
        labels: Who runs this: ``asset``, ``partitions``, ``run``; become tags of a remote job.
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
        data = _versioned(text, "job_version")
        return cls(
            token=data["token"],
            kind=data["kind"],
            inputs={name: _source(source) for name, source in data["inputs"].items()},
            sql=data["sql"],
            schema=data["schema"],
            destination=Destination(
                uri=data["destination"]["uri"],
                partition_column=data["destination"]["partition_column"],
                partition_keys=tuple(data["destination"]["partition_keys"]),
            ),
            audit=_audit(data["audit"]),
            parameters=data["parameters"],
            labels=data["labels"],
        )


@dataclass(frozen=True)
class DataFile:
    """One Parquet file that a job wrote: rows, bytes, and the partition it belongs to."""

    uri: str
    rows: int
    bytes: int
    partition: str | None = None


@dataclass(frozen=True)
class AuditResult:
    """How many rows failed a check, and a few of them."""

    name: str
    failed: int
    examples: tuple[Mapping[str, Json], ...] = ()


@dataclass(frozen=True)
class Manifest:
    """What a job did. Written last: no manifest, no success.

    Attributes:
        token: The job's token.
        rows: Rows written.
        files: The files written; a partition without rows has none.
        audits: One result per check, in the order of the job's audit.
        reports: Rows of the job's report queries.
        timings: Seconds by phase.
        facts: What the engine wants people to know: versions, memory, rounds, remote job ids.
        measures: Columns of the audit's summary that are no checks.
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
        data = _versioned(text, "manifest_version")
        return cls(
            token=data["token"],
            rows=data["rows"],
            files=tuple(DataFile(**file) for file in data["files"]),
            audits=tuple(
                AuditResult(audit["name"], audit["failed"], tuple(audit["examples"]))
                for audit in data["audits"]
            ),
            reports={name: tuple(rows) for name, rows in data["reports"].items()},
            timings=data["timings"],
            facts=data["facts"],
            measures=data["measures"],
        )


def _source(data: Mapping[str, Any]) -> Source:
    files = tuple(SourceFile(**file) for file in data["files"])
    return Source(data["format"], data["schema"], files, data.get("snapshot_id"))


def _audit(data: Mapping[str, Any]) -> Audit:
    keyed = {
        name: KeyedCheck(tuple(check["key"]), check["sql"], check["is_unique"])
        for name, check in data["keyed"].items()
    }
    return Audit(**{**data, "keyed": keyed})


def _versioned(text: str, key: str) -> dict[str, Any]:
    data = json.loads(text)
    if not isinstance(data, dict) or data.pop(key, None) != FORMAT_VERSION:
        raise JobFormatError(f"expected a document with {key} {FORMAT_VERSION}")
    return data
