"""Reading objects of S3, and what to say of what S3 refuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.s3_access import split_s3_uri

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_NO_ACCESS: Final = frozenset(
    {"403", "AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
)


class ResumingReader:
    """Reads an object from start to end; after a broken connection it asks for the rest.

    The etag makes sure that the rest belongs to the same object.
    """

    RETRIES = 5

    def __init__(self, client: "S3Client", uri: str, etag: str | None = None) -> None:
        self._client = client
        self._uri = uri
        self._bucket, self._key = split_s3_uri(uri)
        self._position = 0
        self._etag = etag
        self._body = self._request()

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes, all by default."""
        for attempt in range(self.RETRIES + 1):
            try:
                data = self._body.read(None if size < 0 else size)
                self._position += len(data)
                return bytes(data)
            except (BotoCoreError, OSError) as error:
                if attempt == self.RETRIES:
                    raise _unreachable(self._uri, error) from error
                self._body = self._request()
        raise AssertionError("the loop returns or raises")

    def close(self) -> None:
        """Return the connection to the pool."""
        self._body.close()

    def __enter__(self) -> "ResumingReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(self) -> Any:  # noqa: ANN401 - botocore's StreamingBody
        resumed: dict[str, Any] = {}
        if self._etag:
            resumed["IfMatch"] = f'"{self._etag}"'
        # The etag of the first answer: if somebody overwrites the object, S3 refuses the rest.
        if self._position:
            resumed["Range"] = f"bytes={self._position}-"
        with s3_errors(self._uri):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key, **resumed)
        self._etag = answer["ETag"].strip('"')
        return answer["Body"]


@contextmanager
def s3_errors(uri: str) -> Iterator[None]:
    """Turn errors of S3 and of the way there into a PipelineError of one line."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise _unreachable(uri, error) from error


def _unreachable(uri: str, error: Exception) -> PipelineError:
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        if details.get("Code") == "PreconditionFailed":
            return overwritten(uri)
        if details.get("Code") == "InvalidObjectState":
            return PipelineError(f"{uri} is archived: restore it (aws s3api restore-object) first")
        code = details.get("Code", "unknown error")
        hint = "; check the AWS credentials and what they may do" if code in _NO_ACCESS else ""
        return PipelineError(f"S3 refused {uri}: {code} {details.get('Message', '')}{hint}")
    return PipelineError(f"Cannot reach S3 for {uri}: {type(error).__name__}: {error}")


def overwritten(uri: str) -> PipelineError:
    """What to say of an object that is another one since it was listed."""
    return PipelineError(f"{uri} was overwritten while it was read; run again")
