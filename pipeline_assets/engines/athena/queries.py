"""Queries of Athena: started once for a token, waited for, cancelled, and what they cost."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import takewhile
from typing import Any, Final, TypeAlias

from spark_resources.runners.service import Outcome, RemoteJob, Status
from spark_resources.runners.staging import Staging

Rows: TypeAlias = tuple[dict[str, Any], ...]

TERABYTE: Final = 10**12
LEAST_BYTES: Final = 10 * 10**6
"""Athena bills no query for less."""
_MOST_ROWS: Final = 1_000
"""Athena hands out no more at once."""
_OUTCOMES: Final[Mapping[str, Outcome]] = {
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "failed",
}
_SIGNATURE: Final = re.compile(r"\n-- (?P<deployment>[\w-]+): .*\[(?P<token>[^\]]+)\]$")
_READERS: Final[Mapping[str, Any]] = {
    "tinyint": int,
    "smallint": int,
    "integer": int,
    "bigint": int,
    "float": float,
    "real": float,
    "double": float,
    "decimal": Decimal,
    "boolean": lambda text: text == "true",
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
}
"""From the texts of a result to values; of other types, such as arrays, the text itself."""


@dataclass(frozen=True)
class AthenaConfig:
    """How a deployment uses Athena.

    Attributes:
        workgroup: Decides who may ask what, and how much a query may scan.
        deployment: The name of this deployment, which its queries bear.
        catalog: The catalog of Athena that shows Glue's tables.
        usd_per_tb: Price of a terabyte scanned; without it no cost is estimated.
        look_back: How long another process may take over an attempt.
    """

    workgroup: str
    deployment: str
    catalog: str = "AwsDataCatalog"
    usd_per_tb: float | None = None
    look_back: timedelta = timedelta(days=2)


@dataclass(frozen=True)
class Queries:
    """The queries of a deployment: what :class:`.service.RemoteJobs` asks for, and results.

    A query's token is that of its attempt with the query's role behind it. Athena starts no second
    query for the same token. The query's id is kept beside the job, so that another process finds
    it however late.

    Attributes:
        client: A boto3 client that repeats nothing by itself.
        staging: Where jobs, ids of queries and results lie.
        config: How to use Athena.
    """

    client: Any
    staging: Staging
    config: AthenaConfig

    name: Final = "athena"

    def start(self, token: str, sql: str, title: str) -> RemoteJob:
        """Start a query, or get the one that was started with the same token.

        Args:
            token: Of the attempt, and the role of the query in it.
            sql: The statement.
            title: What the query's last line says beside deployment and token.
        """
        results = f"{self._folder(token)}/results/"
        answer = self.client.start_query_execution(
            QueryString=f"{sql}\n-- {self.config.deployment}: {title} [{token}]",
            ClientRequestToken=token,
            WorkGroup=self.config.workgroup,
            QueryExecutionContext={"Catalog": self.config.catalog},
            ResultConfiguration={"OutputLocation": results, **self._encryption},
            # A result of earlier would be that of other files under the same names.
            ResultReuseConfiguration={"ResultReuseByAgeConfiguration": {"Enabled": False}},
        )
        query = RemoteJob(self.config.workgroup, answer["QueryExecutionId"], token=token)
        self.staging.put(self._record(token), query.id.encode())
        return query

    def find(self, token: str) -> RemoteJob | None:
        """See :class:`.service.RemoteJobs`."""
        content = self.staging.read(self._record(token))
        return RemoteJob(self.config.workgroup, content.decode(), token=token) if content else None

    def status(self, job: RemoteJob) -> Status:
        """See :class:`.service.RemoteJobs`."""
        status = self._execution(job)["Status"]
        error = status.get("AthenaError", {})
        reasons = [status.get("StateChangeReason"), error.get("ErrorMessage")]
        told = list(dict.fromkeys(filter(None, reasons)))
        if error.get("Retryable"):
            told.append("Athena says that it may succeed when it is tried again")
        return Status(status["State"], _OUTCOMES.get(status["State"], "going"), "; ".join(told))

    def cancel(self, job: RemoteJob) -> None:
        """See :class:`.service.RemoteJobs`."""
        self.client.stop_query_execution(QueryExecutionId=job.id)

    def active(self) -> Iterator[RemoteJob]:
        """See :class:`.service.RemoteJobs`."""
        for execution in takewhile(self._is_recent, self._executions()):
            found = _SIGNATURE.search(execution["Query"])
            is_going = execution["Status"]["State"] not in _OUTCOMES
            if found and is_going and found["deployment"] == self.config.deployment:
                token = found["token"]
                run = self.staging.owner(attempt_of(token))
                tags = {"run": run} if run else {}
                yield RemoteJob(self.config.workgroup, execution["QueryExecutionId"], tags, token)

    def rows(self, query: RemoteJob) -> Rows:
        """All rows of a small result; the query has succeeded."""
        return self.page(query, sys.maxsize)[0]

    def page(
        self, query: RemoteJob, wanted: int, place: str | None = None
    ) -> tuple[Rows, str | None]:
        """Some rows of a result, and the place where the next ones begin.

        Args:
            query: It has succeeded.
            wanted: How many rows.
            place: What the call for the rows before has returned; None for the beginning.
        """
        names = place is None  # which stand in the first row of a result
        wanted += names
        texts: list[Any] = []
        columns: list[Any] = []
        while True:
            found = self._results(query, wanted - len(texts), place)
            columns = found["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
            texts += found["ResultSet"]["Rows"]
            place = found.get("NextToken")
            if place is None or len(texts) >= wanted:
                return tuple(_row(columns, row["Data"]) for row in texts[names:]), place

    def _results(self, query: RemoteJob, wanted: int, place: str | None) -> Mapping[str, Any]:
        begin = {} if place is None else {"NextToken": place}
        found: Mapping[str, Any] = self.client.get_query_results(
            QueryExecutionId=query.id, MaxResults=min(wanted, _MOST_ROWS), **begin
        )
        return found

    def manifest_uri(self, query: RemoteJob) -> str | None:
        """Where an UNLOAD lists the files that it wrote; None if it wrote none."""
        location = self._execution(query)["Statistics"].get("DataManifestLocation")
        return str(location) if location else None

    def facts(self, queries: Iterable[RemoteJob]) -> dict[str, Any]:
        """Ids, time and cost of all queries of an attempt; the link shows the first."""
        asked = list(queries)
        found = [self._execution(query) for query in asked]
        statistics = [each.get("Statistics", {}) for each in found]
        scanned = [each.get("DataScannedInBytes", 0) for each in statistics]
        return {
            "engine": self.name,
            "workgroup": self.config.workgroup,
            "query_ids": [query.id for query in asked],
            "queries": [_told(query, it) for query, it in zip(asked, found, strict=True)],
            **({"console_url": self._console(found[0])} if found else {}),
            "scanned_bytes": sum(scanned),
            "queue_seconds": _seconds(statistics, "QueryQueueTimeInMillis"),
            "engine_seconds": _seconds(statistics, "EngineExecutionTimeInMillis"),
            **estimated_cost(scanned, self.config.usd_per_tb),
        }

    @property
    def _encryption(self) -> dict[str, Any]:
        key = self.staging.kms_key_id
        encryption = {"EncryptionOption": "SSE_KMS", "KmsKey": key}
        return {"EncryptionConfiguration": encryption} if key else {}

    def _execution(self, query: RemoteJob) -> Mapping[str, Any]:
        answer = self.client.get_query_execution(QueryExecutionId=query.id)
        execution: Mapping[str, Any] = answer["QueryExecution"]
        return execution

    def _executions(self) -> Iterator[Mapping[str, Any]]:
        """All queries of the workgroup, latest first."""
        pages = self.client.get_paginator("list_query_executions").paginate(
            WorkGroup=self.config.workgroup
        )
        for ids in (page["QueryExecutionIds"] for page in pages):
            if ids:
                answer = self.client.batch_get_query_execution(QueryExecutionIds=ids)
                yield from sorted(answer["QueryExecutions"], key=_submitted, reverse=True)

    def _is_recent(self, execution: Mapping[str, Any]) -> bool:
        return datetime.now(UTC) - _submitted(execution) < self.config.look_back

    def _console(self, execution: Mapping[str, Any]) -> str:
        region = self.client.meta.region_name
        home = f"https://{region}.console.aws.amazon.com/athena/home?region={region}"
        return f"{home}#/query-editor/history/{execution['QueryExecutionId']}"

    def _folder(self, token: str) -> str:
        return self.staging.job_uri(attempt_of(token)).rpartition("/")[0]

    def _record(self, token: str) -> str:
        return f"{self._folder(token)}/queries/{token}"


def token_of(attempt: str, role: str) -> str:
    """The token of one query of an attempt."""
    return f"{attempt}-{role}"


def attempt_of(token: str) -> str:
    """The attempt that a query belongs to.

    >>> attempt_of(token_of("0af3", "unload-0"))
    '0af3'
    """
    return token.partition("-")[0]


def estimated_cost(scanned: Iterable[int], usd_per_tb: float | None) -> dict[str, float]:
    """The price of queries by what each of them scanned; nothing if the price is not known.

    >>> estimated_cost([0, 2 * 10**12], 5.0)
    {'estimated_cost_usd': 10.0}
    """
    if usd_per_tb is None:
        return {}
    billed = sum(max(each, LEAST_BYTES) for each in scanned if each)
    return {"estimated_cost_usd": round(billed / TERABYTE * usd_per_tb, 6)}


def _told(query: RemoteJob, execution: Mapping[str, Any]) -> dict[str, Any]:
    """What people want to know of one query."""
    statistics = execution.get("Statistics", {})
    return {
        "query": query.token.partition("-")[2],
        "id": query.id,
        "state": execution["Status"]["State"],
        "bytes": statistics.get("DataScannedInBytes", 0),
        "seconds": _seconds([statistics], "EngineExecutionTimeInMillis"),
    }


def _submitted(execution: Mapping[str, Any]) -> datetime:
    moment: datetime = execution["Status"]["SubmissionDateTime"]
    return moment


def _seconds(statistics: Iterable[Mapping[str, Any]], name: str) -> float:
    milliseconds: float = sum(each.get(name, 0) for each in statistics)
    return round(milliseconds / 1000, 3)


def _row(columns: Iterable[Mapping[str, Any]], data: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    return {
        column["Name"]: _value(column["Type"], datum.get("VarCharValue"))
        for column, datum in zip(columns, data, strict=True)
    }


def _value(type_: str, text: str | None) -> Any:  # noqa: ANN401 - as the column's type
    return text if text is None or type_ not in _READERS else _READERS[type_](text)
