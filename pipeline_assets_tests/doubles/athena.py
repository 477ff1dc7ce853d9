"""Athena that behaves, and misbehaves on demand.

moto keeps S3 and Glue; its answers of Athena are canned. Here a query runs: `FOR VERSION AS OF` is
answered by pyiceberg, SQLGlot translates the rest from Trino's SQL to DuckDB's, and UNLOAD leaves
Parquet files and a manifest, as Athena does, with its limits.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial, partialmethod
from typing import Any
from unittest import mock
from uuid import uuid4

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import EndpointConnectionError
from moto.athena.responses import AthenaResponse
from moto.glue.models import glue_backends
from moto.s3.models import s3_backends
from pyiceberg.catalog import Catalog

from pipeline_assets_tests.doubles.athena_sql import Answer, Refusal, Sql, glue_catalog
from pipeline_assets_tests.doubles.emr import ACCOUNT, BUCKET, KEYS, REGION, refusal
from spark_resources.runners.aws import one_try

WORKGROUP = "pipeline"
LONGEST = 262_144
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
Hook = Callable[["Execution"], None]


def nothing(_execution: "Execution") -> None:
    """What a query does besides: nothing."""


@dataclass
class Execution:
    """A query.

    Attributes:
        sql: As it was sent.
        token: Of the request that started it.
        location: Where its result goes.
        state: Athena's name for where it stands.
        error: Why it failed.
        answer: What it has said.
    """

    sql: str
    token: str
    location: str
    workgroup: str
    id: str = field(default_factory=lambda: str(uuid4()))
    state: str = "QUEUED"
    error: Refusal | None = None
    answer: Answer = field(default_factory=Answer)
    submitted: float = field(default_factory=time.time)
    started: float = 0
    ended: float = 0
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def asset(self) -> str:
        """The asset that the last line of the statement names."""
        return self.sql.rpartition("\n-- ")[2].partition(": ")[2].partition(" ")[0]

    @property
    def role(self) -> str:
        return self.token.partition("-")[2]

    def told(self) -> dict[str, Any]:
        """As GetQueryExecution says it."""
        status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.error:
            category, type_ = 2, 1006
            status["StateChangeReason"] = str(self.error)
            status["AthenaError"] = {
                "ErrorCategory": category,
                "ErrorType": type_,
                "Retryable": self.error.retryable,
                "ErrorMessage": str(self.error),
            }
        statistics: dict[str, Any] = {
            "DataScannedInBytes": self.answer.scanned,
            "QueryQueueTimeInMillis": int(1000 * (self.started - self.submitted)),
            "EngineExecutionTimeInMillis": int(1000 * (self.ended - self.started)),
        }
        if self.answer.manifest:
            statistics["DataManifestLocation"] = self.answer.manifest
        return {
            "QueryExecutionId": self.id,
            "Query": self.sql,
            "Status": status,
            "Statistics": statistics,
            "ResultConfiguration": {"OutputLocation": f"{self.location}{self.id}.csv"},
            "WorkGroup": self.workgroup,
        }


@dataclass
class AthenaDouble:
    """An account with S3, Glue and Athena.

    Attributes:
        before: Called by each query before it runs; may wait, or raise a Refusal.
        after: Called when it has written; what it raises leaves orphans.
        throttled: How many of the next calls to Athena are refused with a throttling error.
        denied: True refuses every call to Athena.
        network: False makes every call to Athena fail before it is sent.
        lost_answers: How many of the next starts happen without their answer arriving.
        manifest_delay: Seconds between the end of an UNLOAD and its manifest.
        executions: All queries by id, in the order of their starts.
    """

    endpoint: str
    before: Hook = nothing
    after: Hook = nothing
    throttled: int = 0
    denied: bool = False
    network: bool = True
    lost_answers: int = 0
    manifest_delay: float = 0
    executions: dict[str, Execution] = field(default_factory=dict)
    starts: int = 0
    results_read: int = 0

    def __post_init__(self) -> None:
        self.s3, self.glue = self.healthy("s3"), self.healthy("glue")
        self.s3.create_bucket(Bucket=BUCKET)
        self._lock = threading.Lock()
        self._workers: list[threading.Thread] = []
        self.catalog: Callable[[], Catalog] = partial(glue_catalog, self.endpoint)

    def close(self) -> None:
        for execution in self.executions.values():
            execution.cancelled.set()
        for worker in self._workers:
            worker.join(timeout=10)

    def client(self) -> Any:  # noqa: ANN401 - boto3 makes clients at run time
        """A client of Athena whose requests suffer from what this double is told to do."""
        client = self.healthy("athena")
        client.meta.events.register("before-send", self._before_send)
        return client

    def healthy(self, service: str) -> Any:  # noqa: ANN401
        return boto3.client(service, endpoint_url=self.endpoint, config=one_try(), **KEYS)  # type: ignore[call-overload]

    def states(self) -> dict[str, str]:
        """The state of each query, by role; of equal roles the last."""
        return {it.role: it.state for it in self.executions.values()}

    def unloads(self) -> list[Execution]:
        return [it for it in self.executions.values() if it.sql.startswith("UNLOAD")]

    def start(self, response: AthenaResponse) -> Any:  # noqa: ANN401 - as moto's methods
        token, sql = response._get_param("ClientRequestToken"), response._get_param("QueryString")
        with self._lock:
            self.starts += 1
            known = [it for it in self.executions.values() if it.token == token]
            if known and known[0].sql != sql:
                return response.error("Idempotent parameters do not match", 400)
            if len(sql.encode()) > LONGEST:
                return response.error("Your query has exceeded the maximum query length", 400)
            execution = known[0] if known else self._begin(response, token, sql)
            if self.lost_answers > 0:
                self.lost_answers -= 1
                return json.dumps({"__type": "InternalServerException"}), {"status": 500}
        return json.dumps({"QueryExecutionId": execution.id})

    def _begin(self, response: AthenaResponse, token: str, sql: str) -> Execution:
        location = response._get_param("ResultConfiguration")["OutputLocation"]
        execution = Execution(sql, token, location, response._get_param("WorkGroup"))
        self.executions[execution.id] = execution
        worker = threading.Thread(target=self._run, args=(execution,), daemon=True)
        self._workers.append(worker)
        worker.start()
        return execution

    def _run(self, execution: Execution) -> None:
        execution.state, execution.started = "RUNNING", time.time()
        try:
            self.before(execution)
            if execution.state == "RUNNING":
                sql = Sql(self.catalog, self.s3, self.glue, self.manifest_delay)
                execution.answer = sql.execute(execution.sql, execution.location, execution.id)
                self.after(execution)
        except Refusal as error:
            execution.error = error
        except Exception as error:
            execution.error = Refusal(f"GENERIC_INTERNAL_ERROR: {error!r}")
        execution.ended = time.time()
        if execution.state == "RUNNING":
            execution.state = "FAILED" if execution.error else "SUCCEEDED"

    def _before_send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        if not self.network:
            raise EndpointConnectionError(endpoint_url=request.url)
        if self.denied:
            return refusal(request.url, "AccessDeniedException")
        if self.throttled > 0:
            self.throttled -= 1
            return refusal(request.url, "ThrottlingException")
        return None

    # The methods of moto's response that this double answers instead.

    def get(self, response: AthenaResponse) -> str:
        execution = self.executions[response._get_param("QueryExecutionId")]
        return json.dumps({"QueryExecution": execution.told()})

    def get_many(self, response: AthenaResponse) -> str:
        ids = response._get_param("QueryExecutionIds")
        return json.dumps({"QueryExecutions": [self.executions[it].told() for it in ids]})

    def list_ids(self, response: AthenaResponse) -> str:
        workgroup = response._get_param("WorkGroup")
        found = [it.id for it in self.executions.values() if it.workgroup == workgroup]
        return json.dumps({"QueryExecutionIds": found[::-1][:50]})

    def stop(self, response: AthenaResponse) -> str:
        execution = self.executions[response._get_param("QueryExecutionId")]
        if execution.state not in ENDED:
            execution.state = "CANCELLED"
            execution.error = Refusal("Query cancelled by user")
        execution.cancelled.set()
        return "{}"

    def results(self, response: AthenaResponse) -> Any:  # noqa: ANN401 - as moto's methods
        id_ = response._get_param("QueryExecutionId")
        answer, place = self.executions[id_].answer, response._get_param("NextToken")
        header = {"Data": [{"VarCharValue": name} for name, _ in answer.columns]}
        rows = [
            {"Data": [{} if it is None else {"VarCharValue": it} for it in row]}
            for row in answer.rows
        ]
        of, _, start = (place or f"{id_}/0").rpartition("/")
        if of != id_ or not start.isdigit():
            return response.error("Unable to parse NextToken", 400)
        end = int(start) + (response._get_param("MaxResults") or 1_000)
        self.results_read += 1
        columns = [{"Name": name, "Type": type_} for name, type_ in answer.columns]
        found = {
            "Rows": [header, *rows][int(start) : end],
            "ResultSetMetadata": {"ColumnInfo": columns},
        }
        more = {"NextToken": f"{id_}/{end}"} if end <= len(rows) else {}
        return json.dumps({"ResultSet": found, **more})


@contextmanager
def athena_account(endpoint: str) -> Iterator[AthenaDouble]:
    """An account on moto's server in this process; everything in it is gone afterwards."""
    _reset()
    double = AthenaDouble(endpoint)
    answers = {
        "start_query_execution": double.start,
        "get_query_execution": double.get,
        "batch_get_query_execution": double.get_many,
        "list_query_executions": double.list_ids,
        "stop_query_execution": double.stop,
        "get_query_results": double.results,
    }
    with ExitStack() as patches:
        for name, answer in answers.items():
            method = partialmethod(_answered, answer)
            patches.enter_context(mock.patch.object(AthenaResponse, name, method, create=True))
        try:
            yield double
        finally:
            double.close()
            _reset()


def _answered(response: AthenaResponse, answer: Callable[[AthenaResponse], Any]) -> Any:  # noqa: ANN401
    return answer(response)


def _reset() -> None:
    s3_backends[ACCOUNT]["aws"].reset()
    glue_backends[ACCOUNT][REGION].reset()
