"""Pages and errors as HTTP responses."""

import json
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import pyarrow as pa
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from pipeline_assets.errors import PipelineError, UnknownNameError
from pipeline_assets.keys.client import UnavailableError
from pipeline_assets.reading.published_table import PublishedTable
from pipeline_assets.reading.sandbox import MemoryLimitError, TimeLimitError
from pipeline_assets.serving.formats import BODIES, MEDIA_TYPES, Format, records, schema_of
from pipeline_assets.serving.service import ForbiddenError, Page, PageTokenError, etag_of
from pipeline_assets.serving.tokens import BusyError, UnknownTokenError

PROBLEM: Final = "application/problem+json"
_STATUS: Final[Mapping[type[PipelineError], HTTPStatus]] = {
    UnknownTokenError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    UnknownNameError: HTTPStatus.NOT_FOUND,
    BusyError: HTTPStatus.TOO_MANY_REQUESTS,
    TimeLimitError: HTTPStatus.GATEWAY_TIMEOUT,
    MemoryLimitError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    PageTokenError: HTTPStatus.BAD_REQUEST,
}
_VARIES: Final = {"Vary": "Accept, Authorization"}
_HEADERS: Final[Mapping[HTTPStatus, dict[str, str]]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "1"},
}


def page_response(page: Page, format_: Format) -> Response:
    """A page in the format that was asked for."""
    versions = [version(table) for table in page.versions]
    return rows_response(page.rows, versions, page.next, page.etag, format_)


def rows_response(
    rows: pa.Table,
    versions: Sequence[Mapping[str, Any]],
    next_: str | None,
    etag: str,
    format_: Format,
) -> Response:
    """Rows in the format that was asked for.

    Formats without room beside the rows tell versions and the next page in headers.

    Args:
        rows: The rows.
        versions: What is said of each table that was read.
        next_: Token of the next page, if there is one.
        etag: Of the versions.
        format_: The format.
    """
    headers = {"ETag": f'"{etag}"', **_VARIES}
    headers["X-Lake-Versions"] = json.dumps(versions)
    headers["X-Truncated"] = json.dumps(next_ is not None)
    if next_:
        headers["X-Next-Page"] = next_
    if format_ == "json":
        names = rows.column_names
        content = {
            "schema": schema_of(rows),
            "rows": [dict(zip(names, row, strict=True)) for row in records(rows)],
            "truncated": next_ is not None,
            "next": next_,
            "versions": versions,
        }
        return JSONResponse(content, headers=headers)
    return Response(BODIES[format_](rows), headers=headers, media_type=MEDIA_TYPES[format_])


def version(table: PublishedTable) -> dict[str, Any]:
    """What an answer says of a table that it has read."""
    return {
        "table": table.name,
        "snapshot": str(table.snapshot_id),  # beyond what JSON's numbers hold
        "published_at": table.published_at.isoformat(),
        "newest_partition": max(table.records, default=None) or None,
        "checks": "passed" if table.is_checked else "unknown",
    }


def unchanged(request: Request, versions: Iterable[PublishedTable]) -> Response | None:
    """304 if the caller already has the answer of these snapshots; nothing is executed for it."""
    etag = etag_of(versions)
    return not_modified(etag) if is_known(request, etag) else None


def is_known(request: Request, etag: str) -> bool:
    """Whether the caller has the answer already."""
    return f'"{etag}"' in request.headers.get("If-None-Match", "")


def not_modified(etag: str) -> Response:
    """What such a caller gets."""
    headers = {"ETag": f'"{etag}"', **_VARIES}
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)


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
    if isinstance(error, UnavailableError):
        # What AWS says names roles and accounts, which are nothing to whoever asks.
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "The rows by key cannot be read now")
    return problem(status_of(error, HTTPStatus.BAD_REQUEST), str(error))


def status_of(error: PipelineError, otherwise: HTTPStatus) -> HTTPStatus:
    """What a refusal is in HTTP, if it is of a kind that HTTP knows."""
    found = (status for kind, status in _STATUS.items() if isinstance(error, kind))
    return next(found, otherwise)


def accepted(request: Request) -> Format:
    """The format that the header `Accept` asks for first; JSON if it names none of ours."""
    wanted = request.headers.get("Accept", "")
    places = {
        format_: wanted.find(media.partition(";")[0]) for format_, media in MEDIA_TYPES.items()
    }
    named = {format_: place for format_, place in places.items() if place >= 0}
    return min(named, key=named.__getitem__) if named else "json"
