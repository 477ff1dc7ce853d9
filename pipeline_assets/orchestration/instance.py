"""The Dagster instance that the command line, the UI and the daemon share.

``dagster.yaml`` names :class:`PipelineInstance`, whose defaults come from our settings. So every
process that opens a Dagster home, be it ``pipeline-assets``, ``dagster dev`` or a run, opens the
same instance.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import dagster as dg

from pipeline_assets.dagster_internals import (
    ConfigurableClassData,
    DynamicPartitionsStore,
    InstanceRef,
    PaginatedResults,
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import one_line_errors
from pipeline_assets.postgres.connection import connect
from pipeline_assets.settings import PREFIX, Settings
from pipeline_assets.storage.s3_access import split_s3_uri

CODE_LOCATION: Final = "pipeline_assets"
REPOSITORY: Final = "__repository__"
"""What Dagster calls the repository of a code location that defines none."""
CONFIG_FILE: Final = "dagster.yaml"
INSTANCE_DSN: Final = f"{PREFIX}INSTANCE_DSN"
LOG_UPLOAD_SECONDS: Final = 30
_OURS: Final = (
    "instance_class:\n  module: pipeline_assets.orchestration.instance\n  class: PipelineInstance\n"
)
_SQLITE_STORAGE: Final = ("pipeline_assets.orchestration.sqlite_storage", "SqliteStorage")
_POSTGRES_STORAGE: Final = ("pipeline_assets.orchestration.postgres_storage", "PostgresStorage")
_MINIMAL: Final = f"telemetry:\n  enabled: false\nnux:\n  enabled: false\n{_OURS}"


class PipelineInstance(dg.DagsterInstance):
    """Dagster's instance, stored where our settings say unless ``dagster.yaml`` says otherwise."""

    @classmethod
    def config_schema(cls) -> Mapping[str, Any]:
        """The class reads no configuration of its own from ``dagster.yaml``."""
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, ConfigurableClassData | None]:
        """Dagster's defaults for a home, changed where our settings say so."""
        settings = Settings.from_environment()
        home = settings.dagster_home.resolve()
        if settings.environment and Path(base_dir).resolve() != home:
            raise PipelineError(f"{PREFIX}ENVIRONMENT is set: set DAGSTER_HOME={home}, too")
        defaults = InstanceRef.config_defaults(base_dir)
        files = ConfigurableClassData(*_SQLITE_STORAGE, json.dumps({"base_dir": base_dir}))
        return {**defaults, "storage": files, **chosen_parts(settings, base_dir)}

    def create_run_for_job(
        self,
        job_def: dg.JobDefinition,
        *args: Any,  # noqa: ANN401 - Dagster's, passed on
        **options: Any,  # noqa: ANN401 - Dagster's, passed on
    ) -> dg.DagsterRun:
        """Create a run that is executed in this process, with the code location it belongs to.

        The UI's timeline shows only runs that have one, and Dagster gives it only to the runs that
        a daemon or the UI starts.
        """
        options.setdefault("remote_job_origin", origin_of(job_def.name))
        return super().create_run_for_job(job_def, *args, **options)


class DynamicKeys(DynamicPartitionsStore):
    """The dynamic partitions of an instance that is opened when somebody asks for the first one.

    To open it takes as long as much that is done without, and few partitions are looked up there.
    """

    def __init__(self, instance: Callable[[], dg.DagsterInstance]) -> None:
        """Open nothing yet.

        Args:
            instance: Opens it, or says which one is open.
        """
        self._instance = instance

    def get_dynamic_partitions(self, partitions_def_name: str) -> Sequence[str]:
        """As the instance."""
        return self._instance().get_dynamic_partitions(partitions_def_name)

    def get_paginated_dynamic_partitions(
        self, partitions_def_name: str, limit: int, ascending: bool, cursor: str | None = None
    ) -> PaginatedResults[str]:
        """As the instance."""
        asked = partitions_def_name, limit, ascending, cursor
        return self._instance().get_paginated_dynamic_partitions(*asked)

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        """As the instance."""
        return self._instance().has_dynamic_partition(partitions_def_name, partition_key)

    def get_dynamic_partitions_definition_id(self, partitions_def_name: str) -> str:
        """As the instance."""
        return self._instance().get_dynamic_partitions_definition_id(partitions_def_name)


def origin_of(job: str) -> RemoteJobOrigin:
    """Where a job is defined, as ``workspace.yaml`` and ``pyproject.toml`` name it."""
    location = RegisteredCodeLocationOrigin(CODE_LOCATION)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), job)


def open_instance(home: Path, project: Path) -> dg.DagsterInstance:
    """Open the instance of a Dagster home; a new home gets a ``dagster.yaml`` first.

    Args:
        home: The Dagster home.
        project: Folder whose ``dagster.yaml`` a new home links to. Where it has none, the new home
            gets a minimal one, which turns telemetry off.

    Raises:
        PipelineError: Dagster's storage cannot be read or written, as on a full disk; the Postgres
            of the settings does not answer; or the home's ``dagster.yaml`` is older than
            :class:`PipelineInstance` and would ignore the settings.
    """
    home = home.resolve()
    with one_line_errors(f"open Dagster's storage in {home}"):
        _prepare_home(home, project)
        settings = Settings.from_environment()
        _require_answer(instance_dsn(settings))
        instance = dg.DagsterInstance.from_config(str(home))
        # A process that was killed while it created a home has left SQLite files without some of
        # their tables. Dagster creates those on the first connection of most of its calls, but not
        # of all; this call makes one and does nothing more where nothing is missing.
        instance.reindex()
        if chosen_parts(settings, str(home)) and not isinstance(instance, PipelineInstance):
            raise PipelineError(f"{home / CONFIG_FILE} ignores our settings; add to it:\n{_OURS}")
        return instance


def _prepare_home(home: Path, project: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    config = home / CONFIG_FILE
    if not config.exists():
        shared = (project / CONFIG_FILE).resolve()
        if shared.exists():
            config.symlink_to(shared)
        else:
            config.write_text(_MINIMAL)


def _require_answer(dsn: SecretDsn | None) -> None:
    """Connect once: Dagster itself would retry for seconds and end in a stack trace."""
    try:
        if dsn:
            connect(dsn).close()
    except PipelineError as error:
        raise PipelineError(f"{INSTANCE_DSN}: {error}") from None


def instance_dsn(settings: Settings) -> SecretDsn | None:
    """The Postgres of the instance; None if it lies in SQLite files below the Dagster home."""
    secret = settings.instance_dsn
    return SecretDsn(secret.get_secret_value()) if secret else None


def chosen_parts(settings: Settings, base_dir: str) -> dict[str, ConfigurableClassData | None]:
    """The parts of a ``dagster.yaml`` that our settings choose; none of them holds a secret."""
    parts: dict[str, ConfigurableClassData | None] = {}
    if settings.instance_dsn:
        parts["storage"] = ConfigurableClassData(*_POSTGRES_STORAGE, "{}\n")
    if settings.compute_logs_uri:
        config = json.dumps(compute_logs(settings, settings.compute_logs_uri, base_dir))
        parts["compute_logs"] = ConfigurableClassData(
            "dagster_aws.s3", "S3ComputeLogManager", config
        )
    return parts


def compute_logs(settings: Settings, uri: str, base_dir: str) -> dict[str, Any]:
    """Config of ``S3ComputeLogManager``; it uploads the log of a running step, too."""
    bucket, prefix = split_s3_uri(uri)
    optional = {"endpoint_url": settings.s3.endpoint_url, "region": settings.s3.region}
    return {
        "bucket": bucket,
        "prefix": prefix,
        "local_dir": str(Path(base_dir) / "storage"),
        "upload_interval": LOG_UPLOAD_SECONDS,
        "upload_extra_args": settings.s3.encryption,
        **{name: value for name, value in optional.items() if value},
    }
