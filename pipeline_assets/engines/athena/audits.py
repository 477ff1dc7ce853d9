"""A job's audit, evaluated on what it wrote: the twin of the embedded engine's and the cluster's.

What does not depend on one another is asked at once: Athena answers several queries beside each
other, and most of a small one's time is spent waiting.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pipeline_assets.engines.athena.statements import WRITTEN, audited, summary
from spark_resources.errors import JobFailedError
from spark_resources.job import AuditResult, Job

Rows: TypeAlias = tuple[Mapping[str, Any], ...]
Ask: TypeAlias = Callable[[Mapping[str, str]], Mapping[str, Rows]]
"""From queries to their rows, both by a role's name."""


@dataclass(frozen=True)
class Audited:
    """What an audit has found; see :class:`spark_resources.job.Manifest`."""

    rows: int
    results: tuple[AuditResult, ...]
    reports: Mapping[str, Rows] = field(default_factory=dict)
    measures: Mapping[str, Any] = field(default_factory=dict)


def evaluate(ask: Ask, output: str, job: Job, written: int) -> Audited:
    """Ask for summary and reports together, then for examples of what fails.

    Args:
        ask: Executes queries.
        output: The external table over what the job wrote.
        job: The job.
        written: The rows of the files that will be published.

    Raises:
        JobFailedError: The prefix holds other rows than these files.
    """
    audit = job.audit
    reports = {f"report-{number}": name for number, name in enumerate(audit.report_sql)}
    statements = {
        role: audited(audit.report_sql[name], output, job) for role, name in reports.items()
    }
    found = ask({"summary": summary(audit.summary_sql, output, job), **statements})
    (measures,) = map(dict, found["summary"])
    rows, counted = measures.pop("rows"), measures.pop(WRITTEN)
    if counted != written:
        raise JobFailedError(
            f"the manifests name files of {written:,} rows, "
            f"but there are {counted:,} below {job.destination.uri}"
        )
    failed = {name: int(measures.pop(name)) for name in audit.examples_sql}
    results = _with_examples(ask, output, job, failed)
    return Audited(rows, results, {it: found[role] for role, it in reports.items()}, measures)


def _with_examples(
    ask: Ask, output: str, job: Job, failed: Mapping[str, int]
) -> tuple[AuditResult, ...]:
    broken = {f"examples-{n}": name for n, name in enumerate(failed) if failed[name]}
    statements = {
        role: audited(job.audit.examples_sql[name], output, job) for role, name in broken.items()
    }
    found = ask(statements) if statements else {}
    examples = {name: found[role] for role, name in broken.items()}
    return tuple(AuditResult(name, n, examples.get(name, ())) for name, n in failed.items())
