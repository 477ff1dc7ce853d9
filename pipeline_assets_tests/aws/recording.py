"""Records every request that reaches the doubles of AWS, whichever library has sent it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl

from moto.moto_server.werkzeug_app import DomainDispatcherApplication


@dataclass(frozen=True)
class Request:
    """A request over HTTP.

    Attributes:
        principal: The access key that signed it.
        service: The service that it was signed for.
        method: Of HTTP.
        path: Of the URL, decoded.
        query: Of the URL.
        target: The header that names the operation of a service that speaks JSON.
        copies: The object that S3 is to copy.
        body: The content; empty for what is put into S3, which nobody needs to see.
    """

    principal: str
    service: str
    method: str
    path: str
    query: Mapping[str, str]
    target: str
    copies: str
    body: bytes


@contextmanager
def recorded_requests() -> Iterator[list[Request]]:
    """Every request to every moto server of this process, for as long as the context lasts."""
    answer = DomainDispatcherApplication.__call__
    requests: list[Request] = []

    def record(
        self: DomainDispatcherApplication, environ: dict[str, Any], start_response: object
    ) -> Iterable[bytes]:
        requests.append(_request(environ))
        content: Iterable[bytes] = answer(self, environ, start_response)
        return content

    with mock.patch.object(DomainDispatcherApplication, "__call__", record):
        yield requests


def _request(environ: dict[str, Any]) -> Request:
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    signature = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2]
    # ``Credential=KEY/20260101/us-east-1/s3/aws4_request``; a link that was signed has it, too.
    credential = (signature.split(",")[0] or query.get("X-Amz-Credential", "")).split("/")
    principal, service = (credential[0], credential[3]) if len(credential) > 3 else ("", "")
    return Request(
        principal=principal,
        service=service,
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO", ""),
        query=query,
        target=environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2],
        copies=environ.get("HTTP_X_AMZ_COPY_SOURCE", ""),
        body=_body(environ) if service != "s3" or "delete" in query else b"",
    )


def _body(environ: dict[str, Any]) -> bytes:
    content: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(content)
    return content
