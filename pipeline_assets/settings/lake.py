"""Where the lake is and how to reach it, and which environment of it is worked in."""

from pathlib import Path

from pydantic import Field

from pipeline_assets.settings.values import FolderOrPrefix, Group
from pipeline_assets.storage.environments import NAME
from pipeline_assets.storage.s3_access import S3Access


class LakeSettings(Group):
    """Where the lake is and how to reach it."""

    lake_uri: FolderOrPrefix = Field(
        "./lake", description="Folder or s3:// prefix of the lake's tables."
    )
    catalog_uri: str | None = Field(
        None,
        repr=False,  # may hold a password
        description="Iceberg catalog: `glue`, a SQLAlchemy URL, or `rest+https://…`; by default a "
        "SQLite file in a local lake. A lake on S3 has no default.",
    )
    s3_endpoint_url: str | None = Field(
        None, description="Endpoint of an S3 that is not Amazon's, for instance a test server."
    )
    s3_region: str | None = Field(None, description="Region of the buckets, if not the default.")
    kms_key_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9:/_-]+$",
        description="KMS key (id, ARN, alias) that encrypts what is written to S3; by default "
        "the bucket decides.",
    )
    deployment_name: str = Field(
        "dev",
        pattern=r"^[a-zA-Z0-9_-]{1,40}$",
        description="Names this deployment in tags of remote jobs.",
    )
    domains: tuple[str, ...] = Field((), description="Packages with further domains, as JSON.")
    config_file: Path | None = Field(
        None, description="Config of assets and partitions; by default a `pipeline.yaml` here."
    )

    @property
    def s3(self) -> S3Access:
        """How to reach S3."""
        return S3Access(self.s3_endpoint_url, self.s3_region, self.kms_key_id)


class EnvironmentSettings(Group):
    """Which environment is worked in."""

    environment: str | None = Field(
        None,
        pattern=rf"^{NAME.pattern}$",
        description="Name of an environment that `env create` has made: everything then reads and "
        "publishes there ([environments.md](environments.md)). Without it, in the lake itself.",
    )
