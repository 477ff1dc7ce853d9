"""Pages and errors as HTTP responses."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from pipeline_assets.errors import PipelineError, UnknownNameError
from pipeline_assets.reading.published_table import PublishedTable
from pipeline_assets.reading.sandbox import MemoryLimitError, TimeLimitError
from pipeline_assets.serving.formats import BODIES, MEDIA_TYPES, Format, records, schema_of
from pipeline_assets.serving.service import ForbiddenError, Page, PageTokenError, etag_of
from pipeline_assets.serving.tokens import BusyError, UnknownTokenError

PROBLEM: Final = "application/problem+json"
STATUS: Final[Mapping[type[PipelineError], HTTPStatus]] = {
    UnknownTokenError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    UnknownNameError: HTTPStatus.NOT_FOUND,
    BusyError: HTTPStatus.TOO_MANY_REQUESTS,
    TimeLimitError: HTTPStatus.GATEWAY_TIMEOUT,
    MemoryLimitError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    PageTokenError: HTTPStatus.BAD_REQUEST,
}
"""Of every other refusal: 400."""
_VARIES: Final = {"Vary": "Accept, Authorization"}
_HEADERS: Final[Mapping[HTTPStatus, dict[str, str]]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "1"},
}


def page_response(page: Page, format_: Format) -> Response:
    """A page in the format that was asked for.

    Formats without room beside the rows tell versions and the next page in headers.
    """
    headers = {"ETag": f'"{page.etag}"', **_VARIES}
    headers["X-Lake-Versions"] = json.dumps([version(table) for table in page.versions])
    headers["X-Truncated"] = json.dumps(page.next is not None)
    if page.next:
        headers["X-Next-Page"] = page.next
    if format_ == "json":
        names = page.rows.column_names
        rows = [dict(zip(names, row, strict=True)) for row in records(page.rows)]
        content = {
            "schema": schema_of(page.rows),
            "rows": rows,
            "truncated": page.next is not None,
            "next": page.next,
            "versions": [version(table) for table in page.versions],
        }
        return JSONResponse(content, headers=headers)
    return Response(BODIES[format_](page.rows), headers=headers, media_type=MEDIA_TYPES[format_])


def version(table: PublishedTable) -> dict[str, Any]:
    """What an answer says of a table that it has read."""
    return {
        "table": table.name,
        "snapshot": str(table.snapshot_id),  # beyond what JSON's numbers hold
        "published_at": table.published_at.isoformat(),
    }


def unchanged(request: Request, versions: Iterable[PublishedTable]) -> Response | None:
    """304 if the caller already has the answer of these snapshots; nothing is executed for it."""
    etag = f'"{etag_of(versions)}"'
    if etag not in request.headers.get("If-None-Match", ""):
        return None
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag, **_VARIES})


def problem(status: HTTPStatus, detail: str) -> Response:
    """An error as RFC 9457 describes it."""
    return JSONResponse(
        {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail},
        status_code=status,
        media_type=PROBLEM,
        headers=_HEADERS.get(status),
    )


def refusal(error: PipelineError) -> Response:
    """The problem that an error of ours is."""
    return problem(STATUS.get(type(error), HTTPStatus.BAD_REQUEST), str(error))
