"""Connections to Postgres through ADBC, and one-line errors.

A message of libpq or the driver may quote the connection string with its password. So a connection
error is worded here, from patterns in libpq's text, and the driver's own error is never chained.
"""

import re
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline_assets.dataset.values.dsn import SecretDsn, keyword_dsn
from pipeline_assets.errors import PipelineError

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi

Result = TypeVar("Result")

BATCH_BYTES = 4 << 20
CONNECTION_DEFAULTS = {
    "connect_timeout": "10",
    "application_name": "pipeline-assets",
    "client_encoding": "UTF8",
}

# libpq has no error codes for connecting. These are patterns in its text, and what they mean.
_CONNECT_FAULTS = {
    r"password|authentication failed": "the server refused user or password; correct them",
    r'role ".*" does not exist': "the server has no such user; correct the user",
    r'database ".*" does not exist': "the server has no such database; create it or correct it",
    r"could not translate host name": "the host name is unknown; correct the host",
    r"timeout expired|timed out": "the server did not answer in time; check host and firewall",
    r"starting up|shutting down|recovery": "the server is starting or stopping; try again soon",
    r"too many|connection slots": "the server has no connection free; close some",
    r"pg_hba\.conf": "the server's pg_hba.conf does not admit this user from here",
    r"SSL|certificate": "no TLS connection was agreed on; check sslmode and certificates",
    r"refused|No such file|Is the server": "no server answers; start it or correct host and port",
    r"": "the connection failed; try the same connection string with psql",
}

# SQLSTATE prefixes: PostgreSQL documentation, appendix "Error Codes". The first that fits counts.
_QUERY_FAULTS = {
    "42P01": "a table is missing ({says}); check that this is the right database",
    "42703": "a column is missing ({says}); check that this is the right database and version",
    "3F000": "a schema is missing ({says}); check that this is the right database",
    "42501": "the user may not do this ({says}); grant it",
    "57P": "the connection was lost ({says}); it is safe to run again",
    "08": "the connection was lost ({says}); it is safe to run again",
    "": "{server} refused: {says}",
}
_LOST = "the connection was lost or the server went away; it is safe to run again"
_LOST_SIGNS = r"FATAL:|PANIC:|server closed|PQgetCopyData|no connection|could not (send|receive)"


def connect(dsn: SecretDsn, *, autocommit: bool = False) -> "dbapi.Connection":
    """Open an ADBC connection.

    Args:
        dsn: The database and the user.
        autocommit: Commit after every statement; otherwise a transaction is open from the start.

    Raises:
        PipelineError: There is no connection; the message names the database and what to do.
    """

    def opened() -> "dbapi.Connection":
        from adbc_driver_postgresql import dbapi as postgresql  # type: ignore[import-untyped]

        # The open string stays in this frame, which no traceback of the replaced error shows.
        text = keyword_dsn({**CONNECTION_DEFAULTS, **dsn.options})
        connection: dbapi.Connection = postgresql.connect(text, autocommit=autocommit)
        return connection

    return attempt(opened, lambda it: PipelineError(f"{dsn.where}: {connect_reason(str(it))}"))


def execute(connection: "dbapi.Connection", dsn: SecretDsn, sql: str) -> list[dict[str, Any]]:
    """Run one statement and return its rows; for small results only.

    Raises:
        PipelineError: The statement failed or the connection was lost.
    """

    def rows() -> list[dict[str, Any]]:
        with closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            found: list[dict[str, Any]] = cursor.fetch_arrow_table().to_pylist()
            return found

    return attempt(rows, partial(query_fault, dsn))


def attempt(call: Callable[[], Result], explain: Callable[[Exception], Exception]) -> Result:
    """Run one driver call, and raise another error in place of the driver's."""
    import pyarrow as pa
    from adbc_driver_manager import dbapi

    try:
        return call()
    except (dbapi.Error, OSError, pa.ArrowException) as fault:
        explained = explain(fault)
    # Outside the ``except``, so that the driver's error is not this one's ``__context__``. It may
    # quote the connection string, and Dagster prints every error of a chain.
    raise explained


def query_fault(dsn: SecretDsn, fault: Exception) -> PipelineError:
    """The error to show when a statement failed."""
    return PipelineError(f"{dsn.where}: {dsn.scrub(_query_reason(fault))}")


def diagnostics(fault: Exception) -> dict[str, str]:
    """The server's fields of an error (``PG_DIAG_…``); empty if the driver raised it."""
    details = getattr(fault, "details", None) or []
    return {key.decode(): value.decode("utf-8", "replace") for key, value in details}


def connect_reason(said: str) -> str:
    """What libpq's words about a failed connection mean; nothing of them is repeated."""
    return next(reason for words, reason in _CONNECT_FAULTS.items() if re.search(words, said))


def _query_reason(fault: Exception) -> str:
    server = diagnostics(fault)
    if not server:
        return _driver_reason(fault)
    state = server.get("PG_DIAG_SQLSTATE", "")
    return query_reason(state, server.get("PG_DIAG_MESSAGE_PRIMARY", "no reason given"))


def query_reason(state: str, says: str, server: str = "Postgres") -> str:
    """What a server's refusal of a statement means, by its SQLSTATE."""
    reason = next(reason for prefix, reason in _QUERY_FAULTS.items() if state.startswith(prefix))
    return reason.format(says=says, server=server)


def _driver_reason(fault: Exception) -> str:
    # A fault in the middle of a stream has no fields. Its text holds the server's after "ERROR:".
    said = str(fault)
    if re.search(_LOST_SIGNS, said):
        return _LOST
    refused = re.search(r"ERROR:\s+(.+)", said)
    return f"Postgres refused: {refused[1]}" if refused else f"the driver refused: {said}"
