"""Settings of a lake in the double's S3 and Glue."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline_assets.settings import Settings
from pipeline_assets_tests.doubles.athena import WORKGROUP, AthenaDouble, athena_account
from pipeline_assets_tests.doubles.emr import BUCKET, KEYS, aws_server


@contextmanager
def athena_lake(folder: Path) -> Iterator[tuple[AthenaDouble, Settings]]:
    """An account, and settings of a lake in it; the environment leads boto3 there meanwhile."""
    with (
        pytest.MonkeyPatch.context() as environment,
        aws_server() as endpoint,
        athena_account(endpoint) as double,
    ):
        lead_to(double, environment)
        yield double, settings_on(double, folder)


def lead_to(double: AthenaDouble, environment: pytest.MonkeyPatch) -> None:
    """Lead boto3 to the double."""
    for name, value in variables(double.endpoint).items():
        environment.setenv(name, value)


def variables(endpoint: str) -> dict[str, str]:
    """What leads boto3 to the double."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
        "AWS_CONFIG_FILE": os.devnull,
    }


def settings_on(double: AthenaDouble, folder: Path) -> Settings:
    """Settings of a deployment in the double's account."""
    return Settings(
        lake_uri=f"s3://{BUCKET}/tables",
        landing_uri=str(folder / "landing"),
        dagster_home=folder / "home",
        catalog_uri="glue",
        engine="athena",
        athena_workgroup=WORKGROUP,
        athena_usd_per_tb=5.0,
        s3_endpoint_url=double.endpoint,
        s3_region=KEYS["region_name"],
        job_poll_seconds=0.02,
        memory_limit_mib=512,
        threads=2,
    )
