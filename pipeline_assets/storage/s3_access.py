"""How to reach S3; storage, catalog and engines share it."""

from dataclasses import dataclass
from typing import Any, Final

from pipeline_assets.errors import PipelineError

S3_SCHEME: Final = "s3://"
_S3_TABLES: Final = "--table-s3"
_MAY_BE_ANYBODY: Final = {"kinesis"}
"""Services of which a server that is not Amazon's, such as the demo's, asks for no credentials."""


@dataclass(frozen=True)
class S3Access:
    """Endpoint and region where they differ from the defaults, and the key that encrypts writes.

    Credentials come from boto3's default chain and are never part of this value.
    """

    endpoint_url: str | None = None
    region: str | None = None
    kms_key_id: str | None = None

    @property
    def encryption(self) -> dict[str, str]:
        """The encryption arguments of every write; none where the bucket's default decides."""
        if self.kms_key_id is None:
            return {}
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key_id}

    @property
    def region_name(self) -> str:
        """The region; where it is not set, the one that boto3 finds."""
        if self.region:
            return self.region
        import boto3

        return boto3.Session().region_name or "us-east-1"

    def credentials(self) -> dict[str, str]:
        """``access_key``, ``secret_key`` and, where there is one, ``token``, as boto3 finds them.

        Raises:
            PipelineError: boto3 finds none.
        """
        import boto3

        found = boto3.Session(region_name=self.region).get_credentials()
        if found is None:
            raise PipelineError("No AWS credentials found; set AWS_PROFILE or AWS_ACCESS_KEY_ID")
        frozen = found.get_frozen_credentials()
        names = {
            "access_key": frozen.access_key,
            "secret_key": frozen.secret_key,
            "token": frozen.token,
        }
        return {name: value for name, value in names.items() if value}

    def client(self, service: str = "s3") -> Any:  # noqa: ANN401 - boto3 makes clients at run time
        """A boto3 client with bounded retries and time-outs."""
        import boto3
        from botocore.config import Config

        # A new session, because threads must not share the default one.
        session = boto3.Session()
        config = Config(
            retries={"max_attempts": 5, "mode": "standard"}, connect_timeout=5, read_timeout=60
        )
        if service in _MAY_BE_ANYBODY and self.endpoint_url and not session.get_credentials():
            # What is not signed is not even told apart from other services.
            session = boto3.Session("anybody", "nothing")
        return session.client(  # type: ignore[call-overload]
            service, endpoint_url=self.endpoint_url, region_name=self.region_name, config=config
        )


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key.

    >>> split_s3_uri("s3://lake/taobao/x")
    ('lake', 'taobao/x')
    """
    bucket, _, key = uri.removeprefix(S3_SCHEME).partition("/")
    return bucket, key.rstrip("/")


def is_in_s3_tables(uri: str) -> bool:
    """Whether S3 Tables keep what lies there: nobody may list or delete it, or put copies of it.

    >>> is_in_s3_tables("s3://63a8e430-6e0b-46f5-k833abtwr6s8tmtsycedn8s4yc3xhuse1b--table-s3")
    True
    """
    return uri.startswith(S3_SCHEME) and split_s3_uri(uri)[0].endswith(_S3_TABLES)
