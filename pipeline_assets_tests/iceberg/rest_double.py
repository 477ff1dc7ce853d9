"""A REST catalog to write to: our read-only one, and pyiceberg's SQL catalog behind it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import JSONResponse
from pyiceberg.catalog.rest import CreateTableRequest
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.table import CommitTableRequest
from sqlalchemy.exc import IntegrityError

from pipeline_assets import open_lake
from pipeline_assets.api_token import ApiToken
from pipeline_assets.iceberg.catalog import CatalogAccess
from pipeline_assets.serving.rest_catalog import create_catalog, loaded
from pipeline_assets.serving.tokens import Callers

TABLES = "/v1/namespaces/{namespace}/tables"
# The SQL catalog passes on what its database says to the second of two that create the same.
CONFLICTS = (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    TableAlreadyExistsError,
    IntegrityError,
)


def writable(
    access: CatalogAccess, tokens: dict[str, ApiToken], places: str | None = None
) -> FastAPI:
    """The application; a commit that comes second is refused as the protocol says.

    Args:
        access: To the catalog behind it.
        tokens: Who may ask.
        places: It chooses places itself: each table gets a folder below this one, whatever place it
            was asked for. By default tables lie where they are asked to.
    """
    app = FastAPI()
    # One commit at a time, as a catalog over one database has it.
    lock = threading.Lock()

    @app.get("/v1/config")
    def config() -> dict[str, Any]:
        # Without a list of endpoints a client takes it that all there are exist.
        return {"defaults": {}, "overrides": {}}

    @app.post("/v1/namespaces")
    def create_namespace(body: dict[str, Any]) -> dict[str, Any]:
        access.open().create_namespace(tuple(body["namespace"]))
        return body

    @app.post(TABLES)
    def create_table(namespace: str, sent: dict[str, Any]) -> dict[str, Any]:
        body = CreateTableRequest.model_validate({"location": None, **sent})
        table = access.open().create_table(
            f"{namespace}.{body.name}",
            schema=body.table_schema,
            location=f"{places}/{uuid4()}" if places else body.location,
            partition_spec=body.partition_spec or UNPARTITIONED_PARTITION_SPEC,
            properties=body.properties,
        )
        return loaded(table)

    @app.post(f"{TABLES}/{{name}}")
    def commit(namespace: str, name: str, body: CommitTableRequest) -> dict[str, Any]:
        catalog = access.open()
        with lock:
            table = catalog.load_table(f"{namespace}.{name}")
            catalog.commit_table(table, body.requirements, body.updates)
            return loaded(catalog.load_table(f"{namespace}.{name}"))

    if places:
        _add_reading(app, access)

    for kind in CONFLICTS:

        @app.exception_handler(kind)
        def conflict(_request: object, error: Exception) -> Response:
            said = {"message": str(error), "type": type(error).__name__, "code": 409}
            return JSONResponse({"error": said}, status_code=409)

    app.mount("", create_catalog(open_lake(access.warehouse, catalog=access.uri), Callers(tokens)))
    return app


def _add_reading(app: FastAPI, access: CatalogAccess) -> None:
    """Our own read-only catalog serves no table that lies outside of its lake; these routes do."""

    @app.get("/v1/namespaces")
    def namespaces() -> dict[str, Any]:
        return {"namespaces": access.open().list_namespaces()}

    @app.get(TABLES)
    def tables(namespace: str) -> dict[str, Any]:
        found = access.open().list_tables(namespace)
        return {"identifiers": [{"namespace": [space], "name": name} for space, name in found]}

    @app.api_route(f"{TABLES}/{{name}}", methods=["GET", "HEAD"])
    def load(namespace: str, name: str) -> dict[str, Any]:
        try:
            return loaded(access.open().load_table(f"{namespace}.{name}"))
        except NoSuchTableError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND) from error


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """An application on a port of its own; yields its URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.05)
        assert thread.is_alive()
    (place,) = (it.getsockname() for each in server.servers for it in each.sockets)
    try:
        yield f"http://127.0.0.1:{place[1]}"
    finally:
        server.should_exit = True
        thread.join()


def url_of(url: str, **properties: str) -> str:
    """The setting for a catalog."""
    query = "&".join(f"{name}={value}" for name, value in properties.items())
    return f"rest+{url}?{query}"
