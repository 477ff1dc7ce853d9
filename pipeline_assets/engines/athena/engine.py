"""Athena as an engine: UNLOAD writes what an expression says, and queries audit the files.

An attempt is several queries, each with a token of its own, so that whoever takes the attempt over
from a killed process finds each of them and starts none twice.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, get_args

from pipeline_assets.dataset.values.dialect import Dialect
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.progress import Log
from pipeline_assets.engines.athena.audits import Audited, Rows, evaluate
from pipeline_assets.engines.athena.output import Output
from pipeline_assets.engines.athena.queries import Queries, token_of
from pipeline_assets.engines.athena.refusals import refuse
from pipeline_assets.engines.athena.statements import unloads
from pipeline_assets.engines.athena.tables import AuditTables
from pipeline_assets.errors import PipelineError
from spark_resources.errors import JobFailedError
from spark_resources.job import DataFile, Job, Kind, Manifest
from spark_resources.runners.polling import PollPolicy, Retries
from spark_resources.runners.service import RemoteJob
from spark_resources.runners.staging import Staging
from spark_resources.runners.tokens import open_attempt
from spark_resources.runners.waiting import Waiter, aws_errors_as_failures

KINDS: Final[Collection[Kind]] = get_args(Kind)


@dataclass(frozen=True)
class AthenaEngine:
    """Runs jobs as queries of Athena.

    Attributes:
        service: The deployment's queries.
        tables: The external tables of audits.
        store: Lists what is known of an attempt.
        poll: How often to ask, and when to give up.
    """

    service: Queries
    tables: AuditTables
    store: ObjectStore
    poll: PollPolicy = field(default_factory=PollPolicy)

    name: Final = "athena"
    dialect: Final[Dialect] = "trino"
    # It takes every kind in order to refuse what it cannot do: whoever routes an asset here should
    # hear that, instead of finding it computed elsewhere.
    kinds: Final[Collection[Kind]] = KINDS

    @property
    def staging(self) -> Staging:
        """Where jobs and the ids of their queries lie."""
        return self.service.staging

    def token(self, work: Callable[[], str], log: Log) -> str:
        """See :class:`pipeline_assets.engines.engine.Engine`."""
        retries = Retries(self.poll, self.poll.outage_seconds, log)
        with _one_line_errors(), aws_errors_as_failures(self.name):
            return open_attempt(work(), lambda it: retries(partial(self._is_open, it)))

    def run(self, job: Job, log: Log) -> Manifest:
        """See :class:`pipeline_assets.engines.engine.Engine`.

        The error's cause is a :class:`~spark_resources.errors.JobFailedError`, as of Spark.
        """
        refuse(job)
        with _one_line_errors(), aws_errors_as_failures(self.name):
            return _Run(self, job, Retries(self.poll, self.poll.outage_seconds, log)).manifest()

    def _is_open(self, attempt: str) -> bool:
        """Whether none of an attempt's queries has failed or is too old to be taken over."""
        folder = self.staging.job_uri(attempt).rpartition("/")[0]
        since = datetime.now(UTC) - self.service.config.look_back
        records = list(self.store.list(f"{folder}/queries"))
        tokens = [record.uri.rpartition("/")[2] for record in records]
        found = [query for token in tokens if (query := self.service.find(token))]
        return all(record.modified > since for record in records) and all(
            self.service.status(query).outcome != "failed" for query in found
        )


@dataclass(frozen=True)
class _Run:
    """One execution of a job."""

    engine: AthenaEngine
    asked: Job
    retries: Retries
    queries: list[RemoteJob] = field(default_factory=list)
    history: dict[str, str] = field(default_factory=dict)

    def manifest(self) -> Manifest:
        """Write, audit and report.

        Raises:
            JobFailedError: A query failed, or the files are not what the queries say.
        """
        started = time.perf_counter()
        job = self.retries(self._staged)
        files = self._unloaded(job)
        written = time.perf_counter()
        audited = self._audited(job, sum(file.rows for file in files))
        return Manifest(
            token=job.token,
            rows=audited.rows,
            files=files,
            audits=audited.results,
            reports=audited.reports,
            timings={"write": written - started, "audit": time.perf_counter() - written},
            facts=self._facts(),
            measures=audited.measures,
        )

    def _staged(self) -> Job:
        """The job as this attempt's first process has staged it, under this run's name.

        Other partitions of an input may have been published since. The inputs' own are the same,
        but in another snapshot, and Athena refuses another statement for the same token.
        """
        staging = self.engine.staging
        content = staging.read(staging.job_uri(self.asked.token))
        first = Job.from_json(content.decode()) if content else self.asked
        job = replace(first, labels=self.asked.labels)
        staging.put_job(job)
        return job

    def _unloaded(self, job: Job) -> tuple[DataFile, ...]:
        service = self.engine.service
        queries = [
            query
            for number, statement in enumerate(unloads(job))
            for query in self._ended(job, {f"unload-{number}": statement}, self.history).values()
        ]
        manifests = [self.retries(partial(service.manifest_uri, query)) for query in queries]
        output = Output(self.engine.staging, self.engine.poll)
        return output.files(filter(None, manifests), job.destination, self.retries)

    def _audited(self, job: Job, written: int) -> Audited:
        def ask(statements: Mapping[str, str]) -> Mapping[str, Rows]:
            queries = self._ended(job, statements, {})
            rows = self.engine.service.rows
            return {role: self.retries(partial(rows, query)) for role, query in queries.items()}

        tables, destination = self.engine.tables, job.destination.uri
        with tables.over(job.token, destination, job.schema, self.retries, self._tidy) as output:
            self._tidy(tables.drop_left)
            return evaluate(ask, output, job, written)

    def _tidy(self, clean_up: Callable[[], None]) -> None:
        self._waiter.try_to(clean_up, self.retries.log)

    def _ended(
        self, job: Job, statements: Mapping[str, str], history: dict[str, str]
    ) -> dict[str, RemoteJob]:
        """Run queries beside each other to their ends.

        Raises:
            JobFailedError: One of them failed.
        """
        service = self.engine.service
        title = " ".join(filter(None, (job.labels.get("asset"), job.labels.get("partitions"))))
        starts = {
            (token := token_of(job.token, role)): partial(
                service.start, token, sql, f"{title[:200]} {role}"
            )
            for role, sql in statements.items()
        }
        ended = self._waiter.finish(starts, self.retries, history)
        self.queries.extend(query for query, _ in ended)
        for query, status in ended:
            if status.outcome == "failed":
                reason = f"{query.id} {status.state}: {status.reason or 'no reason'}"
                facts = {name: it for name, it in self._facts().items() if name != "queries"}
                raise JobFailedError(reason, facts=facts)
        return {role: query for role, (query, _) in zip(statements, ended, strict=True)}

    @property
    def _waiter(self) -> Waiter:
        return Waiter(self.engine.service, self.engine.poll)

    def _facts(self) -> dict[str, Any]:
        facts = self.retries(lambda: self.engine.service.facts(self.queries))
        return {**facts, "state_history": dict(self.history)}


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn a failed job into an error for people, which keeps the failure as its cause."""
    try:
        yield
    except JobFailedError as error:
        raise PipelineError(f"athena: {error}") from error
