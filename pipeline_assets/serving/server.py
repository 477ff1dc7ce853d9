"""The API of a lake, as a web server."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Final

import uvicorn

from pipeline_assets.engines.athena.queries import AthenaConfig, Queries
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import GLUE
from pipeline_assets.keys.client import PATIENCE
from pipeline_assets.keys.store import KeyStore
from pipeline_assets.reading.open_lake import OpenLake, open_lake
from pipeline_assets.reading.sandbox import Sandboxes
from pipeline_assets.serving.app import create_app
from pipeline_assets.serving.athena.queries import LongQueries
from pipeline_assets.serving.by_key.keyed import KeyLookups
from pipeline_assets.serving.remembered import App
from pipeline_assets.serving.rest_catalog import create_catalog
from pipeline_assets.serving.service import QueryService
from pipeline_assets.serving.tokens import Callers
from pipeline_assets.settings import PREFIX, Settings
from spark_resources.runners.aws import athena_client
from spark_resources.runners.staging import Staging

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
MEMORY_MIB: Final = 512
"""Of one sandbox; several may be open at once."""
CATALOG_SECONDS: Final = 1.0
"""How long what a catalog has said is believed, where it cannot be asked whether it has changed."""
KEY_SECONDS: Final = 2.0
"""How long DynamoDB is asked again while it is throttled."""


def api(settings: Settings) -> App:
    """The application over the lake of the settings.

    Raises:
        PipelineError: There is no lake, or its catalog cannot be read.
    """
    lake = _lake(settings)
    memory = min(MEMORY_MIB, settings.memory_limit_mib)
    sandboxes = Sandboxes(replace(lake.engine, memory_limit_mib=memory))
    service = QueryService(lake, sandboxes)
    callers, keys = Callers(settings.api_tokens), _keys(settings, service)
    return create_app(service, callers, keys, _long(settings, service))


def _long(settings: Settings, service: QueryService) -> LongQueries | None:
    """What has statements executed by Athena, where it is the engine of the settings."""
    if settings.engine != "athena":
        return None
    if settings.athena_workgroup is None or settings.catalog_uri != GLUE:
        raise PipelineError(
            f"Athena needs {PREFIX}ATHENA_WORKGROUP, and tables of {PREFIX}CATALOG_URI=glue"
        )
    uri = settings.staging_uri(settings.athena_staging_uri)
    staging = Staging(settings.s3.client(), uri, settings.kms_key_id)
    config = AthenaConfig(settings.athena_workgroup, settings.deployment_name)
    queries = Queries(athena_client(settings.s3.region_name), staging, config)
    return LongQueries(queries, service)


def _lake(settings: Settings) -> OpenLake:
    lake = open_lake(settings.lake_uri, catalog=settings.catalog_uri)
    return replace(lake, seconds=CATALOG_SECONDS)


def _keys(settings: Settings, service: QueryService) -> KeyLookups | None:
    if not (settings.keys_table and settings.keys_lookups):
        return None
    patience = replace(PATIENCE, outage_seconds=KEY_SECONDS)
    keys = replace(KeyStore.of(settings).require(), patience=patience)
    return KeyLookups(keys, service.limits.rows)


def catalog(settings: Settings) -> App:
    """The catalog of the lake of the settings, for other engines.

    Raises:
        PipelineError: There is no lake.
    """
    lake = _lake(settings)
    return create_catalog(lake, Callers(settings.api_tokens))


def serve(create: Callable[[Settings], App], settings: Settings, host: str, port: int) -> None:
    """Answer until the process is told to stop.

    Args:
        create: :func:`api` or :func:`catalog`.
        settings: Of the lake.
        host: Address to listen on.
        port: Port to listen on.

    Raises:
        PipelineError: The host can be reached from outside, and no token is set.
    """
    if host not in LOOPBACK and not settings.api_tokens:
        raise PipelineError(
            f"{host} can be reached from outside this machine: set {PREFIX}API_TOKENS first"
        )
    # Requests are counted by /metrics; uvicorn would word a line for each that nobody sees.
    app = create(settings)
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False)


def new_token(name: str) -> tuple[str, str]:
    """A token that nobody has, and the setting that allows it."""
    token = secrets.token_urlsafe(32)
    digest = sha256(token.encode()).hexdigest()
    return token, f'{PREFIX}API_TOKENS={{"{name}": {{"sha256": "{digest}"}}}}'
