"""The API as a FastAPI application: statements, tables, and lookups by key.

Endpoints are plain functions, so FastAPI runs each in a thread: DuckDB computes without the
interpreter's lock, and a long statement holds up nobody.
"""

import inspect
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from pipeline_assets.errors import PipelineError
from pipeline_assets.reading.published_table import Column
from pipeline_assets.reading.statement import is_repeatable
from pipeline_assets.serving.answers import (
    accepted,
    page_response,
    problem,
    refusal,
    unchanged,
    version,
)
from pipeline_assets.serving.athena.queries import LongQueries
from pipeline_assets.serving.athena.routes import add_long_queries
from pipeline_assets.serving.by_key.keyed import KeyLookups
from pipeline_assets.serving.by_key.lookups import filterable, rows_sql
from pipeline_assets.serving.by_key.routes import add_lookups
from pipeline_assets.serving.described import rows_answered
from pipeline_assets.serving.measures import Measures
from pipeline_assets.serving.remembered import Answers, AnswersFirst, App
from pipeline_assets.serving.requests import AsOf, Limit, PageToken, QueryRequest
from pipeline_assets.serving.service import Query as Statement
from pipeline_assets.serving.service import QueryService, is_allowed
from pipeline_assets.serving.tokens import Caller, Callers

_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status.value: {"description": status.phrase, "content": {"application/problem+json": {}}}
    for status in (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    )
}


def create_app(
    service: QueryService,
    callers: Callers,
    keys: KeyLookups | None = None,
    long: LongQueries | None = None,
) -> App:
    """The application, with what it remembers before it.

    Args:
        service: Answers over the lake.
        callers: Who may ask.
        keys: Answers lookups by key, where rows are published by key.
        long: Answers statements, where Athena executes them.
    """
    app = FastAPIOffline(
        title="Published tables",
        description="SQL and lookups over the lake; every answer names the snapshots it has read.",
        version="1",
        redoc_url=None,
        responses=_PROBLEMS,
        # It only describes: /docs then asks for a token. Who may ask is decided below.
        dependencies=[Depends(HTTPBearer(auto_error=False))] if callers.tokens else None,
    )
    measures, answers = Measures(), Answers(service.lake)
    _add_errors(app)
    _add_operations(app, service, measures)

    # A coroutine, because a plain generator would be moved to another thread twice.
    async def caller(request: Request) -> AsyncIterator[Caller]:
        known = callers.caller(request.headers.get("Authorization"))
        with callers.slot(known), measures.answering(known.name):
            yield known

    known = Annotated[Caller, Depends(caller)]

    if long:
        add_long_queries(app, long, caller)
    else:
        _add_query(app, service, answers, caller)

    @app.get("/tables", summary="The tables that the token allows to read.")
    def tables(who: known) -> list[str]:
        return [name for name in service.lake.tables() if is_allowed(name, who.token.tables)]

    _add_tables(app, service, answers, keys, caller)
    return AnswersFirst(app, answers, callers, measures)


def _add_tables(
    app: FastAPI,
    service: QueryService,
    answers: Answers,
    keys: KeyLookups | None,
    caller: Callable[..., AsyncIterator[Caller]],
) -> None:
    """The routes of every table, and of the questions that people ask."""
    columns = {name: service.lake[name].columns for name in service.lake.tables()}
    for name, of_table in columns.items():
        _add_table(app, service, answers, name, of_table, caller)
    add_lookups(app, service, answers, keys, columns, caller)


def _add_query(
    app: FastAPI,
    service: QueryService,
    answers: Answers,
    caller: Callable[..., AsyncIterator[Caller]],
) -> None:
    known = Annotated[Caller, Depends(caller)]

    @app.post("/query", summary="Execute a SELECT.", responses=rows_answered())
    def query(body: QueryRequest, request: Request, who: known) -> Response:
        statement = Statement(
            body.sql, body.parameters, body.limit, body.as_of, body.page, who.token.tables
        )
        versions = service.versions(statement)
        page = service.answer(statement, versions)
        response = page_response(page, body.format or accepted(request))
        if not is_repeatable(body.sql):
            return response
        return answers.remember(request, response, versions)


def _add_table(
    app: FastAPI,
    service: QueryService,
    answers: Answers,
    name: str,
    columns: tuple[Column, ...],
    caller: Callable[..., AsyncIterator[Caller]],
) -> None:
    """What a table is, and its rows by the values of its columns."""
    filters = filterable(columns)

    def about(who: Caller) -> Response:
        table = service.lake[name]
        if not is_allowed(name, who.token.tables):
            return problem(HTTPStatus.FORBIDDEN, f"This token does not allow to read {name}")
        described = [
            {"name": it.name, "type": it.type, "meaning": it.meaning} for it in table.columns
        ]
        content = version(table) | {"columns": described, "partitions": list(table.partitions)}
        return JSONResponse(content)

    def rows(
        request: Request,
        who: Caller,
        limit: int | None,
        as_of: str | None,
        page: str | None,
        **values: str | None,
    ) -> Response:
        given = [value for value in values.values() if value is not None]
        chosen = [
            it for it, value in zip(filters, values.values(), strict=True) if value is not None
        ]
        sql = rows_sql(name, chosen, ())
        statement = Statement(sql, given, limit, as_of, page, who.token.tables)
        versions = service.versions(statement)
        if same := unchanged(request, versions.values()):
            return same
        response = page_response(service.answer(statement, versions), accepted(request))
        return answers.remember(request, response, versions)

    known = Annotated[Caller, Depends(caller)]
    who = inspect.Parameter("who", inspect.Parameter.KEYWORD_ONLY, annotation=known)
    of_columns = [_filter(number, column) for number, column in enumerate(filters)]
    about.__signature__ = inspect.Signature([who])  # type: ignore[attr-defined] # FastAPI reads it
    rows.__signature__ = inspect.Signature([who, *_page_parameters(), *of_columns])  # type: ignore[attr-defined] # see above
    app.add_api_route(f"/tables/{name}", about, tags=[name], summary=f"What {name} is.")
    app.add_api_route(
        f"/tables/{name}/rows",
        rows,
        tags=[name],
        summary=f"Rows of {name} by its columns.",
        responses=rows_answered(columns),
    )


def _page_parameters() -> list[inspect.Parameter]:
    kind = inspect.Parameter.KEYWORD_ONLY
    optional = {"limit": Limit, "as_of": AsOf, "page": PageToken}
    return [
        inspect.Parameter("request", kind, annotation=Request),
        *(
            inspect.Parameter(name, kind, default=None, annotation=annotation)
            for name, annotation in optional.items()
        ),
    ]


def _filter(number: int, column: Column) -> inspect.Parameter:
    """The parameter for a column; a column's own name may be no name of Python."""
    said = Query(alias=f"column.{column.name}", description=f"{column.meaning} ({column.type})")
    return inspect.Parameter(
        f"column_{number}",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[str | None, said],
    )


def _add_errors(app: FastAPI) -> None:
    """Every error is a problem of RFC 9457, and none shows a stack trace or a path."""

    @app.exception_handler(PipelineError)
    def refuse(_request: Request, error: PipelineError) -> Response:
        return refusal(error)

    @app.exception_handler(RequestValidationError)
    def malformed(_request: Request, error: RequestValidationError) -> Response:
        said = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
        )
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, said)

    @app.exception_handler(HTTPException)
    def unknown(_request: Request, error: HTTPException) -> Response:
        return problem(HTTPStatus(error.status_code), str(error.detail))

    @app.exception_handler(Exception)
    def fault(_request: Request, _error: Exception) -> Response:
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a fault of the server")


def _add_operations(app: FastAPI, service: QueryService, measures: Measures) -> None:
    """Health and metrics."""

    @app.get("/health", include_in_schema=False)
    def health() -> dict[str, Any]:
        return {"tables": len(service.lake.tables())}

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return measures.response()
