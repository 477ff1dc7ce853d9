"""A lake's catalog by Iceberg's REST protocol, to read: any engine opens the lake by a URL.

Only the routes of readers exist, as Apache Iceberg's `open-api/rest-catalog-open-api.yaml`
describes them; whatever would change the lake is answered with 405. Files are read by the engine
itself, with its own credentials: the catalog hands out none.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from pipeline_assets.errors import PipelineError
from pipeline_assets.reading.open_lake import OpenLake
from pipeline_assets.serving.answers import status_of
from pipeline_assets.serving.service import is_allowed
from pipeline_assets.serving.tokens import Caller, Callers
from pipeline_assets.storage.s3_access import S3_SCHEME

if TYPE_CHECKING:
    from pyiceberg.table import Table

_TABLES: Final = "/v1/namespaces/{namespace}/tables"
_ENDPOINTS: Final = (
    "GET /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
)
# The protocol's names of errors; clients tell by them what has happened.
_TYPES: Final = {
    HTTPStatus.UNAUTHORIZED: "NotAuthorizedException",
    HTTPStatus.FORBIDDEN: "ForbiddenException",
    HTTPStatus.TOO_MANY_REQUESTS: "SlowDownException",
    HTTPStatus.METHOD_NOT_ALLOWED: "UnsupportedOperationException",
    HTTPStatus.INTERNAL_SERVER_ERROR: "InternalServerError",
}


def create_catalog(lake: OpenLake, callers: Callers) -> FastAPI:
    """The catalog as an application.

    Args:
        lake: Whose tables it knows.
        callers: Who may ask; a token sees the tables that it allows, as if there were no others.
    """
    app = FastAPI(title="Iceberg REST catalog, read-only", version="1", docs_url=None)

    def caller(authorization: Annotated[str | None, Header()] = None) -> Iterator[Caller]:
        known = callers.caller(authorization)
        with callers.slot(known):
            yield known

    known = Annotated[Caller, Depends(caller)]

    @app.get("/v1/config")
    def config(_who: known) -> dict[str, Any]:
        return {"defaults": _defaults(lake), "overrides": {}, "endpoints": _ENDPOINTS}

    @app.get("/v1/namespaces")
    def namespaces(who: known, parent: str | None = None) -> dict[str, Any]:
        names = {name.partition(".")[0] for name in _visible(lake, who)}
        return {"namespaces": [] if parent else [[name] for name in sorted(names)]}

    @app.api_route("/v1/namespaces/{namespace}", methods=["GET", "HEAD"])
    def namespace(namespace: str, who: known) -> dict[str, Any]:
        _require_namespace(lake, who, namespace)
        return {"namespace": [namespace], "properties": {}}

    @app.get(_TABLES)
    def tables(namespace: str, who: known) -> dict[str, Any]:
        names = _require_namespace(lake, who, namespace)
        return {"identifiers": [{"namespace": [namespace], "name": name} for name in names]}

    @app.api_route(f"{_TABLES}/{{table}}", methods=["GET", "HEAD"])
    def load(namespace: str, table: str, who: known) -> dict[str, Any]:
        name = f"{namespace}.{table}"
        if name not in _visible(lake, who):
            raise _NotFoundError("NoSuchTableException", f"Table does not exist: {name}")
        return loaded(lake.iceberg(name))

    _add_errors(app)
    return app


class _NotFoundError(Exception):
    """A namespace or table that there is not, in the protocol's words."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _visible(lake: OpenLake, who: Caller) -> list[str]:
    return [name for name in lake.tables() if is_allowed(name, who.token.tables)]


def _require_namespace(lake: OpenLake, who: Caller, namespace: str) -> list[str]:
    """The names of its tables."""
    names = [name for name in _visible(lake, who) if name.startswith(f"{namespace}.")]
    if not names:
        raise _NotFoundError("NoSuchNamespaceException", f"Namespace does not exist: {namespace}")
    return [name.removeprefix(f"{namespace}.") for name in names]


def _defaults(lake: OpenLake) -> dict[str, str]:
    """How engines reach the files; no credentials, which every engine has of its own."""
    access = lake.access
    if not access.warehouse.startswith(S3_SCHEME):
        return {}
    found = {"s3.endpoint": access.s3.endpoint_url, "s3.region": access.s3.region_name}
    return {name: value for name, value in found.items() if value}


def loaded(iceberg: "Table") -> dict[str, Any]:
    """A table as the protocol answers it, to whoever loads or has changed it."""
    return {
        "metadata-location": iceberg.metadata_location,
        "metadata": iceberg.metadata.model_dump(mode="json", by_alias=True, exclude_none=True),
        "config": {},
    }


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(_NotFoundError)
    def missing(_request: Request, error: _NotFoundError) -> Response:
        return _error(HTTPStatus.NOT_FOUND, error.kind, str(error))

    @app.exception_handler(PipelineError)
    def refuse(_request: Request, error: PipelineError) -> Response:
        status = status_of(error, HTTPStatus.INTERNAL_SERVER_ERROR)
        return _error(status, _TYPES.get(status, "BadRequestException"), str(error))

    @app.exception_handler(HTTPException)
    def unknown(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        # A path that only writers use is one that this catalog does not know.
        if status is HTTPStatus.NOT_FOUND and request.method not in ("GET", "HEAD"):
            status = HTTPStatus.METHOD_NOT_ALLOWED
        read_only = "This catalog is read-only: the lake is changed by assets"
        detail = read_only if status is HTTPStatus.METHOD_NOT_ALLOWED else str(error.detail)
        return _error(status, _TYPES.get(status, "BadRequestException"), detail)

    @app.exception_handler(Exception)
    def fault(_request: Request, _fault: Exception) -> Response:
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        return _error(status, _TYPES[status], "This is a fault of the server")


def _error(status: HTTPStatus, kind: str, message: str) -> Response:
    content = {"error": {"message": message, "type": kind, "code": status}}
    headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(content, status_code=status, headers=headers)
