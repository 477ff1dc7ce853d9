"""What the groups of settings have in common: their base, and types that several of them use."""

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr

from pipeline_assets.dataset.values.dsn import parse_dsn, system_of
from pipeline_assets.errors import PipelineError


class Group(BaseModel):
    """Settings that belong together.

    A group is only ever read as a part of all settings, so that no validator of its own is built.
    """

    model_config = ConfigDict(defer_build=True)


def absolute(uri: str) -> str:
    """Make a folder's path absolute, and check that anything else is a prefix of a bucket."""
    if uri.startswith("s3://"):
        if not uri.removeprefix("s3://").partition("/")[0]:
            raise ValueError(f"'{uri}' names no bucket")
        return uri.rstrip("/")
    if "://" in uri:
        raise ValueError(f"'{uri}' is neither a folder nor an s3:// prefix")
    return str(Path(uri).expanduser().resolve())


def readable(dsn: SecretStr) -> SecretStr:
    """Check that a DSN can be parsed, without telling what it says."""
    try:
        parse_dsn(dsn.get_secret_value())
    except PipelineError as error:
        raise ValueError(str(error)) from None
    return dsn


def of_postgres(dsn: SecretStr) -> SecretStr:
    """Check that a DSN is one of Postgres."""
    if system_of(dsn.get_secret_value()) != "postgres":
        raise ValueError("is a Redshift's, and this has to be a Postgres")
    return dsn


FolderOrPrefix: TypeAlias = Annotated[str, AfterValidator(absolute)]
WarehouseDsn: TypeAlias = Annotated[SecretStr, AfterValidator(readable)]
Dsn: TypeAlias = Annotated[WarehouseDsn, AfterValidator(of_postgres)]
