"""Redshift reached through its Data API.

A statement is handed over, and its state is asked for until it has ended. A request that is
repeated because its answer was lost carries the same token, so that AWS runs it once.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.storage.aws_requests import requested
from pipeline_assets.warehouses.redshift.session import refusal
from spark_resources.runners.aws import one_try
from spark_resources.runners.polling import PollPolicy

Result = TypeVar("Result")

POLLING: Final = PollPolicy(first_seconds=0.2, longest_seconds=5, outage_seconds=300)
NAME: Final = "pipeline-assets"
_ENDED: Final = frozenset({"FINISHED", "FAILED", "ABORTED"})


@dataclass(frozen=True)
class DataApiSession:
    """A :class:`~pipeline_assets.warehouses.redshift.session.Session` of requests to AWS.

    Attributes:
        dsn: The database, and its workgroup or cluster.
        limit_minutes: How long a statement may take; it is cancelled then.
        client: boto3's, of `redshift-data`.
        polling: The pauses between two questions.
    """

    dsn: SecretDsn
    limit_minutes: int
    client: Any
    polling: PollPolicy

    def run(self, sql: str) -> list[dict[str, Any]]:
        """See :class:`~pipeline_assets.warehouses.redshift.session.Session`."""
        started = self._start(self.client.execute_statement, Sql=sql)
        if not self._ended(started)["HasResultSet"]:
            return []
        rows: list[dict[str, Any]] = []
        page: Mapping[str, Any] = {"Id": started}
        while page:
            answer = self._ask(partial(self.client.get_statement_result, **page))
            names = [column["name"] for column in answer["ColumnMetadata"]]
            records = answer["Records"]
            rows += [dict(zip(names, map(_value, row), strict=True)) for row in records]
            following = answer.get("NextToken")
            page = {"Id": started, "NextToken": following} if following else {}
        return rows

    def run_together(self, statements: Iterable[str]) -> None:
        """See :class:`~pipeline_assets.warehouses.redshift.session.Session`."""
        self._ended(self._start(self.client.batch_execute_statement, Sqls=list(statements)))

    def close(self) -> None:
        """See :class:`~pipeline_assets.warehouses.redshift.session.Session`; nothing is held."""

    def _start(self, request: Callable[..., Mapping[str, Any]], **what: object) -> str:
        token = str(uuid4())
        arguments = {**_target(self.dsn.options), "ClientToken": token, "StatementName": NAME}
        return str(self._ask(lambda: request(**arguments, **what))["Id"])

    def _ended(self, started: str) -> Mapping[str, Any]:
        """Wait for a statement's end; whatever interrupts the wait cancels the statement."""
        finished = False
        try:
            found = self._wait(started)
            finished = True
        finally:
            if not finished:
                self._cancel(started)
        if found["Status"] == "FINISHED":
            return found
        says = " ".join(str(found.get("Error", f"it was {found['Status'].lower()}")).split())
        reason = f"Redshift refused: {says.removeprefix('ERROR: ')}"
        raise refusal(self.dsn.where, says, reason, self.limit_minutes)

    def _wait(self, started: str) -> Mapping[str, Any]:
        give_up = time.monotonic() + 60 * self.limit_minutes
        for pause in self.polling.pauses():
            found: Mapping[str, Any] = self._ask(
                partial(self.client.describe_statement, Id=started)
            )
            if found["Status"] in _ENDED:
                return found
            if time.monotonic() > give_up:
                break
            time.sleep(pause)
        raise refusal(self.dsn.where, "timed out", "", self.limit_minutes)

    def _cancel(self, started: str) -> None:
        try:
            self.client.cancel_statement(Id=started)
        except (ClientError, BotoCoreError):
            # It has ended meanwhile, or AWS is out of reach, which is what the caller hears of.
            return

    def _ask(self, request: Callable[[], Result]) -> Result:
        return requested(self.dsn.where, request, self.polling, lambda _line: None)


def client_of(dsn: SecretDsn, region: str) -> Any:  # noqa: ANN401 - boto3 makes it at run time
    """boto3's client; nothing connects yet.

    Args:
        dsn: The database.
        region: Where the connection string names none.
    """
    import boto3

    place = dsn.options.get("region", region)
    return boto3.Session().client("redshift-data", region_name=place, config=one_try())


def _target(options: Mapping[str, str]) -> dict[str, str]:
    """How a request names database, workgroup or cluster, and who asks."""
    names = {
        "dbname": "Database",
        "workgroup": "WorkgroupName",
        "cluster": "ClusterIdentifier",
        "user": "DbUser",
        "secret_arn": "SecretArn",
    }
    return {name: options[option] for option, name in names.items() if option in options}


def _value(found: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever the column holds
    """A field of a result: one key says its type, and is true where the value is null."""
    (kind, value), *_ = found.items()
    return None if kind == "isNull" else value
