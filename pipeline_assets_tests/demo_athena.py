"""The demo behind ``make demo-athena``: the filter, the rankings and the metric on Athena.

There is no Amazon: a double in this process keeps S3 and Glue, and answers the queries on DuckDB.
Only the endpoints differ from a real deployment. The lake goes with the double; Dagster's home
keeps the runs, with every query's id, states, bytes scanned and estimated cost.
"""

import argparse
import gzip
import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from pipeline_assets.command.boundary import obey_sigterm, one_line_errors
from pipeline_assets.command.demo import shop_and_samples, update_all, wikipedia
from pipeline_assets.engines.athena.queries import LEAST_BYTES, estimated_cost
from pipeline_assets.settings import Settings
from pipeline_assets_tests.doubles.athena import WORKGROUP, AthenaDouble, Execution, athena_account
from pipeline_assets_tests.doubles.emr import BUCKET, KEYS, aws_server

USD_PER_TB: Final = 5.0
ON_ATHENA: Final = (
    "ratings/filtered_ratings",
    "music/artist_rank_in_country",
    "music/country_rank_per_artist",
    "rentals/user_behavior_metric",
)


def run_demo(settings: Settings, scale: float) -> None:
    """Make the whole graph, and say what Athena has read.

    Raises:
        PipelineError: Samples or Postgres cannot be had.
        SystemExit: Some asset failed; what and why is on standard error.
    """
    with (
        shop_and_samples(settings, scale) as shop,
        wikipedia(shop) as ready,
        double() as account,
    ):
        click.echo(f"On Athena: {', '.join(ON_ATHENA)}; everything else on the embedded engine")
        update_all(on_athena(ready, account))
        for line in bill(account.executions.values(), Path(ready.landing_uri)):
            click.echo(line)
        home = settings.dagster_home
        click.echo(f"Look at the queries: DAGSTER_HOME={home} make look")


@contextmanager
def double() -> Iterator[AthenaDouble]:
    """An Amazon account in this process; its credentials are good for nothing else."""
    with aws_server() as endpoint, athena_account(endpoint) as account:
        # The double takes any key, and real ones must not be sent to it.
        os.environ |= {name.upper(): value for name, value in KEYS.items() if name != "region_name"}
        os.environ["AWS_ENDPOINT_URL"] = endpoint
        yield account


def on_athena(settings: Settings, account: AthenaDouble) -> Settings:
    """Settings under which a part of the graph runs on Athena."""
    changes = {
        "engine_overrides": dict.fromkeys(ON_ATHENA, "athena"),
        "lake_uri": f"s3://{BUCKET}/lake",
        "catalog_uri": "glue",
        "s3_endpoint_url": account.endpoint,
        "s3_region": KEYS["region_name"],
        "athena_workgroup": WORKGROUP,
        "athena_usd_per_tb": USD_PER_TB,
        "job_poll_seconds": 0.1,
    }
    return settings.model_copy(update=changes)


def bill(executions: Iterable[Execution], landing: Path) -> Iterator[str]:
    """What the queries of each asset have read, and what the sources' three reads of text would."""
    by_asset: dict[str, list[int]] = defaultdict(list)
    for execution in executions:
        by_asset[execution.asset].append(execution.answer.scanned)
    for asset, scanned in sorted(by_asset.items()):
        yield _line(asset, scanned)
    texts = [3 * len(_text(path)) for path in sorted(landing.glob("amazon_reviews/*.tsv*"))]
    yield _line("the filter, reading text 3 times", texts)
    yield f"Athena bills each query for {LEAST_BYTES:,} bytes at least; docs/athena.md has more"


def _line(name: str, scanned: Sequence[int]) -> str:
    cost = estimated_cost(scanned, USD_PER_TB)["estimated_cost_usd"]
    return f"{name:32} {len(scanned):>3} queries {sum(scanned):>12,} bytes  ${cost:.6f}"


def _text(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def main() -> None:
    """Run the demo with the environment's landing zone and Dagster home."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1)
    arguments = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    obey_sigterm()
    with one_line_errors():
        run_demo(Settings.from_environment(), arguments.scale)


if __name__ == "__main__":
    main()
