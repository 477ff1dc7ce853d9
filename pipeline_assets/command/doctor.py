"""Checks that everything is there that the pipeline needs.

A newcomer's machine, or a new deployment, lacks one thing or another. Each finding says what was
examined and, if something is wrong, what to do.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.instance import instance_dsn, open_instance
from pipeline_assets.settings import Settings
from pipeline_assets.storage.objects import free_space
from pipeline_assets.streams.event_stream import EventStream
from spark_resources.runners.jvm import choose_java

GIBIBYTE = 1024**3
_HINT: Final = "as in make dev PORT=3001"


@dataclass(frozen=True)
class Finding:
    """One thing that was examined, and whether it is as the pipeline needs it."""

    what: str
    ok: bool
    details: str


def examine(
    deployment: Deployment, dagster_home: Path, assets: Sequence[LakeAsset]
) -> Iterator[Finding]:
    """Examine everything; the only change is a probe object, which is removed again."""
    settings = deployment.settings
    yield _finding("landing zone", lambda: _landing(deployment))
    yield _finding("lake storage", lambda: _writable(deployment, settings.lake_uri))
    if logs := settings.compute_logs_uri:
        yield _finding("compute logs", lambda: _writable(deployment, logs))
    yield _finding("catalog", lambda: _catalog(deployment))
    yield _finding("tables", lambda: _tables(deployment, assets))
    yield _finding("embedded engine", lambda: _embedded(deployment))
    yield _spark(settings)
    yield _finding("dagster", lambda: _dagster(settings, dagster_home))
    for database in deployment.databases.values():
        if database.dsn:
            yield _finding(database.setting, partial(_connected, deployment, database.dsn))
    if stream := deployment.stream:
        yield _finding(stream.setting, lambda: _shards(stream))
    free = free_space(settings.lake_uri)
    if free is not None:
        enough = free > GIBIBYTE
        yield Finding("free space", enough, f"{free / GIBIBYTE:.1f} GiB for {settings.lake_uri}")


def ui_port(port: int) -> Finding:
    """Whether the UI's web server can listen on a port of this machine."""
    try:
        with socket.socket() as probe:
            # The web server sets it as well: a port whose old connections still close is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Finding("port", ok=False, details=f"{port}: {reason}; choose another, {_HINT}")
    return Finding("port", ok=True, details=f"{port} is free")


def _shards(stream: EventStream) -> str:
    return f"{stream.name}: {len(stream.reader.shards()):,} shards"


def _finding(what: str, examination: Callable[[], str]) -> Finding:
    try:
        return Finding(what, ok=True, details=examination())
    except (PipelineError, OSError) as error:
        return Finding(what, ok=False, details=str(error))


def _landing(deployment: Deployment) -> str:
    deployment.landing.store.require(deployment.landing.uri)
    return deployment.landing.uri


def _writable(deployment: Deployment, folder: str) -> str:
    uri = f"{folder.rstrip('/')}/.doctor-{uuid4().hex}"
    store = deployment.store(uri)
    store.put(uri, b"probe")
    with store.open(uri) as stream:
        stream.read()
    store.delete([uri])
    return f"{folder} can be written and read"


def _catalog(deployment: Deployment) -> str:
    return f"{deployment.lake.access.require()} namespaces"


def _tables(deployment: Deployment, assets: Sequence[LakeAsset]) -> str:
    """Compare lengths only: reading everything may take hours."""
    files, wrong = 0, list[str]()
    for asset, found in deployment.verifier(deep=False).verify_all(assets):
        if isinstance(found, PipelineError):
            wrong.append(f"{asset.table}: {found}")
        else:
            files += found.files
            wrong += [f"{asset.table}: {damage}" for damage in found.damages]
    if wrong:
        more = f" and {len(wrong) - 1} more; see: pipeline-assets verify" if wrong[1:] else ""
        raise PipelineError(wrong[0] + more)
    return f"{files} files of {len(assets)} tables are there in full length"


def _embedded(deployment: Deployment) -> str:
    with deployment.reader.connect(uses_s3=False) as connection:
        (version,) = connection.execute("SELECT version()").fetchone() or ("?",)
    settings = deployment.settings
    return f"DuckDB {version}, {settings.threads} threads, {settings.memory_limit_mib} MiB"


def _connected(deployment: Deployment, dsn: SecretDsn) -> str:
    from pipeline_assets.warehouses.choice import warehouse_of

    return f"{warehouse_of(dsn, deployment.s3).version()}, {dsn}"


def _spark(settings: Settings) -> Finding:
    # A machine without Java is at fault only if an asset is routed to local Spark.
    wrapper = settings.dagster_home.resolve() / "spark" / "java"
    java = choose_java(settings.java_home, wrapper)
    is_needed = "spark" in {settings.engine, *settings.engine_overrides.values()}
    use = "" if is_needed else " (no asset is routed to local Spark)"
    return Finding("local spark", java.chosen is not None or not is_needed, java.explain() + use)


def _dagster(settings: Settings, home: Path) -> str:
    with open_instance(home, Path.cwd()) as instance:
        return f"{instance.get_runs_count()} runs in {instance_dsn(settings) or home.resolve()}"
