"""Redshift reached as a Postgres: psycopg2, because ADBC reads and writes by a COPY it lacks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline_assets.dataset.values.dsn import REDSHIFT_OPTIONS, SecretDsn, keyword_dsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.connection import CONNECTION_DEFAULTS, connect_reason, query_reason
from pipeline_assets.warehouses.redshift.session import LostError, refusal

if TYPE_CHECKING:
    import psycopg2

Result = TypeVar("Result")


@dataclass(frozen=True)
class WireSession:
    """A :class:`~pipeline_assets.warehouses.redshift.session.Session` over one connection.

    Attributes:
        dsn: The database.
        limit_minutes: How long a statement may take.
        connection: Commits each statement by itself, but for those in a transaction.
    """

    dsn: SecretDsn
    limit_minutes: int
    connection: Any

    def run(self, sql: str) -> list[dict[str, Any]]:
        """See :class:`~pipeline_assets.warehouses.redshift.session.Session`."""

        def rows() -> list[dict[str, Any]]:
            with self.connection.cursor() as cursor:
                cursor.execute(sql)
                if cursor.description is None:
                    return []
                names = [column.name for column in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        return _attempt(rows, self._fault)

    def run_together(self, statements: Iterable[str]) -> None:
        """See :class:`~pipeline_assets.warehouses.redshift.session.Session`."""
        # A server that loses the connection rolls back by itself.
        self.run("BEGIN")
        try:
            for statement in statements:
                self.run(statement)
        except LostError:
            raise
        except PipelineError:
            self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    def close(self) -> None:
        """See :class:`~pipeline_assets.warehouses.redshift.session.Session`."""
        self.connection.close()

    def _fault(self, fault: "psycopg2.Error") -> PipelineError:
        import psycopg2

        where = self.dsn.where
        if self.connection.closed or not isinstance(fault, psycopg2.DatabaseError):
            return LostError(f"{where}: the connection was lost; it is safe to run again")
        says = " ".join((fault.pgerror or str(fault)).split())
        first = fault.diag.message_primary or says
        reason = self.dsn.scrub(query_reason(fault.pgcode or "", first, "Redshift"))
        return refusal(where, says, reason, self.limit_minutes)


def connect(dsn: SecretDsn, limit_minutes: int) -> WireSession:
    """Open a connection whose statements are cancelled after some time.

    Raises:
        PipelineError: There is no connection; the message names the database and what to do.
    """
    known = {name: it for name, it in dsn.options.items() if name not in REDSHIFT_OPTIONS}

    def opened() -> Any:  # noqa: ANN401 - psycopg2 has no types
        import psycopg2

        # The open string stays in this frame, which no traceback of the replaced error shows.
        return psycopg2.connect(keyword_dsn({**CONNECTION_DEFAULTS, "keepalives": "1", **known}))

    def refused(fault: "psycopg2.Error") -> PipelineError:
        return PipelineError(f"{dsn.where}: {connect_reason(str(fault))}")

    connection = _attempt(opened, refused)
    connection.autocommit = True
    session = WireSession(dsn, limit_minutes, connection)
    session.run(f"SET statement_timeout TO {limit_minutes * 60_000}")
    return session


def _attempt(
    call: Callable[[], Result], explain: Callable[["psycopg2.Error"], PipelineError]
) -> Result:
    """Run one driver call, and raise another error in place of the driver's."""
    import psycopg2

    try:
        return call()
    except psycopg2.Error as fault:
        explained = explain(fault)
    # Outside the ``except``: the driver's error may quote the connection string.
    raise explained
