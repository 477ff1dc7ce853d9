"""Routes of statements that take long: an answer at once, or an address to ask again at."""

from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse

from pipeline_assets.serving.answers import accepted, rows_response, version
from pipeline_assets.serving.athena.queries import LongQueries, LongQuery
from pipeline_assets.serving.described import rows_answered
from pipeline_assets.serving.formats import Format
from pipeline_assets.serving.requests import Limit, QueryRequest
from pipeline_assets.serving.service import PageTokenError, etag_of
from pipeline_assets.serving.service import Query as Statement
from pipeline_assets.serving.tokens import Caller

Place = Annotated[
    str | None, Query(min_length=1, max_length=1024, description="`next` of the page before.")
]


def add_long_queries(
    app: FastAPI, long: LongQueries, caller: Callable[..., AsyncIterator[Caller]]
) -> None:
    """Add the routes.

    Args:
        app: The application.
        long: Starts and finds queries.
        caller: The dependency that tells who asks.
    """
    known = Annotated[Caller, Depends(caller)]
    going: dict[int | str, dict[str, Any]] = rows_answered() | {
        202: {"description": "It goes on; ask again at the address in `Location`."}
    }

    @app.post("/query", summary="Execute a SELECT on Athena.", responses=going)
    def query(body: QueryRequest, request: Request, who: known) -> Response:
        if body.page is not None:
            raise PageTokenError("Pages of a query are asked for at its own address")
        statement = Statement(
            body.sql, body.parameters, body.limit, body.as_of, None, who.token.tables
        )
        started = long.start(statement)
        return _answer(long, started, None, body.limit, body.format or accepted(request))

    @app.get("/queries/{token}", summary="Ask for a query's rows.", responses=going)
    def answer(
        token: str, request: Request, who: known, limit: Limit = None, page: Place = None
    ) -> Response:
        found = long.find(token, Statement("", tables=who.token.tables))
        return _answer(long, found, page, limit, accepted(request))

    @app.delete("/queries/{token}", summary="Cancel a query.", status_code=204)
    def cancel(token: str, who: known) -> Response:
        long.cancel(long.find(token, Statement("", tables=who.token.tables)))
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _answer(
    long: LongQueries, query: LongQuery, place: str | None, limit: int | None, format_: Format
) -> Response:
    address = f"/queries/{query.token}"
    if not long.is_done(query):
        headers = {"Location": address, "Retry-After": "2"}
        content = {"status": "running", "ask": address}
        return JSONResponse(content, HTTPStatus.ACCEPTED, headers)
    wanted = min(limit or long.service.limits.rows, long.service.limits.rows)
    rows, next_ = long.rows(query, wanted, place)
    read = long.tables(query)
    told = [version(table) for table in read]
    response = rows_response(rows, told, next_, etag_of(read), format_)
    response.headers["Location"] = address
    return response
