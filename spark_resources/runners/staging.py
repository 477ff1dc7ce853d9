"""The prefix on S3 through which packages and jobs reach a cluster, and manifests come back."""

import gzip
import zlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from spark_resources.errors import TAIL_LINES
from spark_resources.job import Job
from spark_resources.runners.wheel import Wheel

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import PutObjectRequestTypeDef

LAUNCHER: Final = b"from spark_resources.cluster.entry_point import main\n\nmain()\n"

_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})


@dataclass(frozen=True)
class Package:
    """The project's code on S3: the script to start, and the archive that it imports from."""

    script_uri: str
    archive_uri: str


@dataclass(frozen=True)
class Staging:
    """A prefix on S3 that runners and clusters share.

    Attributes:
        s3: The client.
        uri: ``s3://bucket/prefix``.
        kms_key_id: The key that encrypts what is written, instead of the bucket's default.
    """

    s3: "S3Client"
    uri: str
    kms_key_id: str | None = None

    def put_package(self, wheel: Wheel) -> Package:
        """Upload the wheel and its launcher, unless they are there."""
        # The folder's name is a hash of the wheel, so that a running job keeps its version.
        folder = f"{self.uri.rstrip('/')}/packages/{wheel.digest[:16]}"
        # A wheel is a zip archive, and Spark recognises archives by that suffix only.
        package = Package(f"{folder}/launch.py", f"{folder}/{wheel.stem}.zip")
        for uri, content in ((package.archive_uri, wheel.content), (package.script_uri, LAUNCHER)):
            if not self.exists(uri):
                self.put(uri, content)
        return package

    def put_job(self, job: Job) -> None:
        """Upload a job."""
        self.put(self.job_uri(job.token), job.to_json().encode())

    def owner(self, token: str) -> str | None:
        """The run that staged an attempt last, if any did."""
        content = self.read(self.job_uri(token))
        return Job.from_json(content.decode()).labels.get("run") if content else None

    def job_uri(self, token: str) -> str:
        """Where an attempt's job lies."""
        return f"{self.uri.rstrip('/')}/jobs/{token}/job.json"

    def manifest_uri(self, token: str) -> str:
        """Where an attempt's manifest will lie."""
        return f"{self.uri.rstrip('/')}/jobs/{token}/manifest.json"

    def put(self, uri: str, content: bytes) -> None:
        """Write an object."""
        bucket, key = split(uri)
        request: PutObjectRequestTypeDef = {"Bucket": bucket, "Key": key, "Body": content}
        if self.kms_key_id is not None:
            request |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key_id}
        self.s3.put_object(**request)

    def exists(self, uri: str) -> bool:
        """Whether there is such an object."""
        bucket, key = split(uri)
        try:
            self.s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            _raise_unless_missing(error)
            return False
        return True

    def read(self, uri: str) -> bytes | None:
        """An object's content, or None if there is no such object."""
        bucket, key = split(uri)
        try:
            return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            _raise_unless_missing(error)
            return None

    def log_tail(self, uri: str) -> tuple[str, ...] | None:
        """The last lines of a gzipped log, or None if it is missing or half written."""
        bucket, key = split(uri)
        try:
            body = self.s3.get_object(Bucket=bucket, Key=key)["Body"]
            with gzip.open(body, "rt", encoding="utf-8", errors="replace") as text:
                said = (line.rstrip() for line in text if line.strip())
                return tuple(deque(said, maxlen=TAIL_LINES))
        except ClientError as error:
            _raise_unless_missing(error)
            return None
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return None


def split(uri: str) -> tuple[str, str]:
    """Split a URI into bucket and key, whichever of Hadoop's schemes for S3 it has.

    >>> split("s3n://logs/emr/x")
    ('logs', 'emr/x')
    """
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key


def _raise_unless_missing(error: ClientError) -> None:
    if error.response.get("Error", {}).get("Code") not in _MISSING:
        raise error
