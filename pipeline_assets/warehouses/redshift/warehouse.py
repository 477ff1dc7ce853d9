"""Loading into Redshift: rows go to S3, by COPY into a table of their own, and then take over.

Nothing that readers see changes before the commit, and no transaction stays open while the audit
runs: Redshift would make others wait for it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from uuid import uuid4

import pyarrow as pa

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3_SCHEME
from pipeline_assets.warehouses.redshift import data_api, tables, wire
from pipeline_assets.warehouses.redshift.data_api import DataApiSession
from pipeline_assets.warehouses.redshift.files import write_waiting
from pipeline_assets.warehouses.redshift.load import PAUSES, StagedTable
from pipeline_assets.warehouses.redshift.session import Session
from pipeline_assets.warehouses.redshift.sql import REDSHIFT, literal, role_of
from pipeline_assets.warehouses.rows import own_rows
from pipeline_assets.warehouses.statements import counted
from pipeline_assets.warehouses.table import PartitionValue, WarehouseTable
from spark_resources.runners.polling import PollPolicy

DEFAULT_MINUTES: Final = 60


@dataclass(frozen=True)
class RedshiftWarehouse:
    """The :class:`~pipeline_assets.warehouses.warehouse.Warehouse` that is a Redshift.

    Attributes:
        dsn: The database, and how files reach it: ``iam_role``, ``staging``, ``timeout_minutes``.
        store: Of the bucket that rows wait in.
        polling: How often the Data API is asked.
        pauses: Seconds before a commit that met another transaction is repeated.
    """

    dsn: SecretDsn
    store: S3Store
    polling: PollPolicy = data_api.POLLING
    pauses: Sequence[float] = field(default=PAUSES)

    def session(self) -> Session:
        """Open a session.

        Raises:
            PipelineError: There is no connection.
        """
        minutes = int(self.dsn.options.get("timeout_minutes", DEFAULT_MINUTES))
        if self.dsn.system == "redshift-data":
            return DataApiSession(self.dsn, minutes, self._client, self.polling)
        return wire.connect(self.dsn, minutes)

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 - boto3 makes it at run time
        return data_api.client_of(self.dsn, self.store.access.region_name)

    def stage(
        self,
        table: WarehouseTable,
        values: Sequence[PartitionValue],
        batches: Iterable[pa.RecordBatch],
        fresh_uri: str,
    ) -> StagedTable:
        """See :class:`~pipeline_assets.warehouses.warehouse.Warehouse`."""
        tables.require_lower_case(table)
        load = uuid4().hex
        prefix = self._prefix(load, fresh_uri)
        with closing(self.session()) as session:
            tables.ensure_table(session, table)
            tables.drop_left_over(session, table.schema)
        waiting = write_waiting(table, own_rows(table, values, batches), self.store, prefix)
        staging = tables.staging_name(table.schema, load)
        staged = StagedTable(waiting.rows, table, values, staging, load, self.session, self.pauses)
        with ExitStack() as undo, ExitStack() as afterwards:
            undo.callback(staged.discard)
            afterwards.callback(self.store.delete, waiting.uris)
            with closing(self.session()) as session:
                session.run(tables.create_staging(table, staging))
                if waiting.uris:
                    self._copy(session, staged, waiting.manifest)
                tables.require_complete(session, staged)
                tables.require_unique(session, staged)
            undo.pop_all()
        return staged

    def counts(self, table: WarehouseTable) -> Mapping[str, int]:
        """See :class:`~pipeline_assets.warehouses.warehouse.Warehouse`."""
        with closing(self.session()) as session:
            return counted(session.run, table) if REDSHIFT.found(session.run, table) else {}

    def version(self) -> str:
        """See :class:`~pipeline_assets.warehouses.warehouse.Warehouse`."""
        with closing(self.session()) as session:
            (server,) = session.run("SELECT version() AS version")
        found = re.search(r"Redshift [\d.]+", server["version"])
        return found[0] if found else str(server["version"])

    def _prefix(self, load: str, fresh_uri: str) -> str:
        """Where rows wait for COPY.

        Raises:
            PipelineError: That is not on S3.
        """
        staging = self.dsn.options.get("staging")
        prefix = f"{staging.rstrip('/')}/{load}" if staging else fresh_uri
        if not prefix.startswith(S3_SCHEME):
            raise PipelineError(
                f"{self.dsn.where}: Redshift copies rows from S3, and the lake is in a folder; "
                "name a prefix in the connection string with staging=s3://…"
            )
        return prefix

    def _copy(self, session: Session, staged: StagedTable, manifest: str) -> None:
        role = role_of(self.dsn.options.get("iam_role", "default"))
        copy = (
            f"COPY {staged.staging} FROM {literal(manifest)} IAM_ROLE {role} "
            "FORMAT AS PARQUET MANIFEST"
        )
        try:
            session.run(copy)
        except PipelineError as error:
            details = ""
            # Who may load need not be allowed to look there.
            with suppress(PipelineError):
                details = tables.load_error(session, staged)
            raise PipelineError(f"{staged.table}: COPY failed: {details}{error}") from None
