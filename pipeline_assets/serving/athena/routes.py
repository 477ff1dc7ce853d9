"""Routes of statements that take long: an answer at once, or an address to ask again at."""

from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse

from pipeline_assets.serving.answers import accepted, rows_response, version
from pipeline_assets.serving.athena.queries import LongQueries, LongQuery
from pipeline_assets.serving.formats import Format
from pipeline_assets.serving.requests import Limit, QueryRequest
from pipeline_assets.serving.service import Query as Statement
from pipeline_assets.serving.service import etag_of
from pipeline_assets.serving.tokens import Caller

Start = Annotated[int, Query(ge=0, description="`next` of the page before.")]


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
    going: dict[int | str, dict[str, Any]] = {
        202: {"description": "It goes on; ask again at the address in `Location`."}
    }

    @app.post("/query", summary="Execute a SELECT on Athena.", responses=going)
    def query(body: QueryRequest, request: Request, who: known) -> Response:
        statement = Statement(
            body.sql, body.parameters, body.limit, body.as_of, None, who.token.tables
        )
        started = long.start(statement)
        return _answer(long, started, 0, body.limit, body.format or accepted(request))

    @app.get("/queries/{token}", summary="Ask for a query's rows.", responses=going)
    def answer(
        token: str, request: Request, who: known, limit: Limit = None, page: Start = 0
    ) -> Response:
        found = long.find(token, Statement("", tables=who.token.tables))
        return _answer(long, found, page, limit, accepted(request))

    @app.delete("/queries/{token}", summary="Cancel a query.", status_code=204)
    def cancel(token: str, who: known) -> Response:
        long.cancel(long.find(token, Statement("", tables=who.token.tables)))
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _answer(
    long: LongQueries, query: LongQuery, start: int, limit: int | None, format_: Format
) -> Response:
    if not long.is_done(query):
        place = f"/queries/{query.token}"
        headers = {"Location": place, "Retry-After": "2"}
        content = {"status": "running", "ask": place}
        return JSONResponse(content, HTTPStatus.ACCEPTED, headers)
    wanted = min(limit or long.service.limits.rows, long.service.limits.rows)
    rows, is_cut = long.rows(query, start, wanted)
    read = long.tables(query)
    next_ = str(start + len(rows)) if is_cut else None
    told = [version(table) for table in read]
    response = rows_response(rows, told, next_, etag_of(read), format_)
    response.headers["Location"] = f"/queries/{query.token}"
    return response
