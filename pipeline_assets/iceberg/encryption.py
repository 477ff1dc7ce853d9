"""Encryption of Iceberg's metadata files on S3 under a KMS key.

Neither Arrow nor pyiceberg's default file access can name a key (Arrow 24, pyiceberg 0.12). So
boto3 writes the metadata files, and pyiceberg reads them as before. They are small enough to be
held in memory until they are closed.
"""

import io
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import boto3
from pyiceberg.io import InputFile, OutputFile, OutputStream
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.typedef import EMPTY_DICT, Properties

from pipeline_assets.storage.s3_access import S3Access, split_s3_uri

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

KEY: Final = "s3.sse-kms-key-id"


class EncryptingFileIO(PyArrowFileIO):
    """pyiceberg's default file access, except that every write names the KMS key."""

    def __init__(self, properties: Properties = EMPTY_DICT) -> None:
        super().__init__(properties)
        self._access = S3Access(
            properties.get("s3.endpoint"), properties.get("s3.region"), properties[KEY]
        )

    @cached_property
    def _client(self) -> "S3Client":
        # Creating one takes a while, and whoever only reads needs none.
        return _client(self._access, self.properties)

    def new_output(self, location: str) -> Any:  # noqa: ANN401 - narrower in pyiceberg than it uses
        """A file to write."""
        return _EncryptedFile(super().new_output(location), self._client, self._access.encryption)


class _EncryptedFile(OutputFile):
    """An output file of pyiceberg, except that boto3 writes it."""

    def __init__(self, plain: OutputFile, client: "S3Client", encryption: dict[str, str]) -> None:
        super().__init__(plain.location)
        self._plain = plain
        self._client = client
        self._encryption = encryption

    def __len__(self) -> int:
        return len(self._plain)

    def exists(self) -> bool:
        """Whether the file exists."""
        return self._plain.exists()

    def to_input_file(self) -> InputFile:
        """The same file for reading."""
        return self._plain.to_input_file()

    def create(self, overwrite: bool = False) -> OutputStream:
        """A stream; the file exists once the stream is closed.

        Raises:
            FileExistsError: The file exists and must not be overwritten.
        """
        if not overwrite and self.exists():
            raise FileExistsError(self.location)
        return _Upload(self.location, self._client, self._encryption)


class _Upload(io.BytesIO):
    """A buffer that is written to S3 when it is closed."""

    def __init__(self, location: str, client: "S3Client", encryption: dict[str, str]) -> None:
        super().__init__()
        self._place = split_s3_uri(location)
        self._client = client
        self._encryption = encryption

    def close(self) -> None:
        """Write the object; closing again does nothing."""
        if not self.closed:
            bucket, key = self._place
            encryption: Any = self._encryption
            self._client.put_object(Bucket=bucket, Key=key, Body=self.getvalue(), **encryption)
        super().close()


def _client(access: S3Access, properties: Properties) -> "S3Client":
    session = boto3.Session(
        aws_access_key_id=properties.get("s3.access-key-id"),
        aws_secret_access_key=properties.get("s3.secret-access-key"),
        aws_session_token=properties.get("s3.session-token"),
    )
    return session.client("s3", endpoint_url=access.endpoint_url, region_name=access.region_name)
