"""Clients of EMR that never repeat a request by themselves.

:class:`spark_resources.runners.polling.Retries` decides what may be repeated.
"""

from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_emr import EMRClient
    from types_boto3_emr_serverless import EMRServerlessClient

ONE_TRY: Final = Config(
    retries={"total_max_attempts": 1, "mode": "standard"}, connect_timeout=5, read_timeout=30
)
"""botocore would repeat an unanswered request, and a repeated one may start a job twice."""


def emr_client(region: str, endpoint_url: str | None = None) -> "EMRClient":
    """A client of EMR on EC2."""
    return boto3.client("emr", region_name=region, endpoint_url=endpoint_url, config=ONE_TRY)


def emr_serverless_client(region: str, endpoint_url: str | None = None) -> "EMRServerlessClient":
    """A client of EMR Serverless."""
    return boto3.client(
        "emr-serverless", region_name=region, endpoint_url=endpoint_url, config=ONE_TRY
    )
