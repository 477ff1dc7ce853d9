"""Clients of EMR and Athena that never repeat a request by themselves.

:class:`spark_resources.runners.polling.Retries` decides what may be repeated.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.config import Config
    from types_boto3_emr import EMRClient
    from types_boto3_emr_serverless import EMRServerlessClient


def one_try() -> "Config":
    """Botocore would repeat an unanswered request, and a repeated one may start a job twice."""
    from botocore.config import Config

    retries: Any = {"total_max_attempts": 1, "mode": "standard"}
    return Config(retries=retries, connect_timeout=5, read_timeout=30)


def emr_client(region: str, endpoint_url: str | None = None) -> "EMRClient":
    """A client of EMR on EC2."""
    import boto3

    return boto3.client("emr", region_name=region, endpoint_url=endpoint_url, config=one_try())


def emr_serverless_client(region: str, endpoint_url: str | None = None) -> "EMRServerlessClient":
    """A client of EMR Serverless."""
    import boto3

    return boto3.client(
        "emr-serverless", region_name=region, endpoint_url=endpoint_url, config=one_try()
    )


def athena_client(region: str) -> Any:  # noqa: ANN401 - boto3 makes clients at run time
    """A client of Athena; ``AWS_ENDPOINT_URL_ATHENA`` leads it elsewhere than to Amazon."""
    import boto3

    return boto3.client("athena", region_name=region, config=one_try())


def glue_client(region: str) -> Any:  # noqa: ANN401 - boto3 makes clients at run time
    """A client of Glue; ``AWS_ENDPOINT_URL_GLUE`` leads it elsewhere than to Amazon."""
    import boto3

    return boto3.client("glue", region_name=region, config=one_try())
