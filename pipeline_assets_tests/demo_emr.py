"""The demo behind ``make demo-emr``: the whole graph as EMR steps, then on EMR Serverless.

There is no Amazon: a double in this process keeps S3 and both services' books, and runs every step
on this machine's Spark. Only the endpoints differ from a real deployment. The lake goes with the
double; Dagster's home keeps the runs, with every job's id, states, logs, duration and cost.
"""

import argparse
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click

from pipeline_assets.command.boundary import obey_sigterm, one_line_errors
from pipeline_assets.command.demo import shop_and_samples, update_all
from pipeline_assets.settings import Settings
from pipeline_assets_tests.doubles.emr import KEYS, LOGS, ROLE, AwsDouble, aws_account, aws_server
from pipeline_assets_tests.doubles.emr_spark import in_process
from spark_resources.runners.emr_config import InstanceRate, ServerlessRates
from spark_resources.runners.local import LocalConfig, LocalRunner

RATES: Final = {
    "m7g.xlarge": InstanceRate(vcpus=4, memory_gb=16, usd_per_hour=0.2),
    "m7g.2xlarge": InstanceRate(vcpus=8, memory_gb=32, usd_per_hour=0.4),
}
PRICES: Final = ServerlessRates(usd_per_vcpu_hour=0.05, usd_per_memory_gb_hour=0.006)
SESSION: Final = {"spark.sql.shuffle.partitions": "2"}


def run_demo(settings: Settings, scale: float) -> None:
    """Make the graph twice, each time into a lake of its own.

    Raises:
        PipelineError: Samples, Postgres or Spark cannot be had.
        SystemExit: Some asset failed; what and why is on standard error.
    """
    with shop_and_samples(settings, scale) as ready, double(ready) as account:
        click.echo("EMR: every asset as a step of one running cluster")
        update_all(on_steps(ready, account))
        click.echo("EMR Serverless: every asset as a job run of one application")
        update_all(on_serverless(ready, account))
        done = [state for state in account.states().values() if state in {"COMPLETED", "SUCCESS"}]
        home = settings.dagster_home
        click.echo(f"{len(done)} remote jobs; look at them: DAGSTER_HOME={home} make look")


@contextmanager
def double(settings: Settings) -> Iterator[AwsDouble]:
    """An Amazon account in this process, whose steps run on this machine's Spark."""
    local = LocalConfig(settings.dagster_home.resolve() / "spark", spark_conf=SESSION)
    runner = LocalRunner(local)
    with TemporaryDirectory() as folder, aws_server() as endpoint, aws_account(endpoint) as account:
        account.body = in_process(runner.session, Path(folder))
        yield account


def on_steps(settings: Settings, account: AwsDouble) -> Settings:
    """Settings under which the graph runs as steps of a cluster."""
    cluster = account.start_cluster()
    return _remote(settings, account, "emr", emr_cluster=cluster, emr_rates=RATES)


def on_serverless(settings: Settings, account: AwsDouble) -> Settings:
    """Settings under which the graph runs as job runs of an application."""
    return _remote(
        settings,
        account,
        "emr-serverless",
        emr_serverless_application_id=account.start_application(),
        emr_execution_role_arn=ROLE,
        emr_log_uri=LOGS,
        emr_serverless_rates=PRICES,
    )


def _remote(settings: Settings, account: AwsDouble, engine: str, **changes: object) -> Settings:
    catalog = (settings.dagster_home / f"{engine}.db").resolve()
    catalog.unlink(missing_ok=True)  # of an earlier demo, whose lake is gone
    common = {
        "engine": engine,
        "lake_uri": f"s3://lake/{engine}",
        "catalog_uri": f"sqlite:///{catalog}",
        "s3_endpoint_url": account.endpoint,
        "s3_region": KEYS["region_name"],
        "emr_endpoint_url": account.endpoint,
        "job_poll_seconds": 0.2,
    }
    return settings.model_copy(update={**common, **changes})


def main() -> None:
    """Run the demo with the environment's landing zone and Dagster home."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1)
    arguments = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # The double takes any key, and real ones must not be sent to it.
    os.environ |= {name.upper(): value for name, value in KEYS.items() if name != "region_name"}
    obey_sigterm()
    with one_line_errors():
        run_demo(Settings.from_environment(), arguments.scale)


if __name__ == "__main__":
    main()
