"""The demo behind ``make demo``: it writes sample files and a rental shop, and updates the lake.

The Postgres server comes from pip and runs as long as the demo. Its data lie below the Dagster home
and hold the shop's database and the warehouse. A second demo finds nothing to do.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from pipeline_assets.command.boundary import one_line_errors
from pipeline_assets.command.cli import cli
from pipeline_assets.command.postgres_server import ensure_database, running_postgres
from pipeline_assets.command.session import Session
from pipeline_assets.sample import write_samples
from pipeline_assets.sample.rental_database import fill_rentals
from pipeline_assets.settings import Settings

SERVER: Final = "postgres"
DAMAGE: Final = 0.01


def run_demo(settings: Settings, scale: float, seed: int = 0) -> None:
    """Bring the whole graph up to date with samples; see the two functions below."""
    with shop_and_samples(settings, scale, seed) as ready:
        update_all(ready)


def update_all(settings: Settings) -> None:
    """Run ``pipeline-assets update``.

    Raises:
        SystemExit: An asset failed; its name and the reason are on standard error.
    """
    cli.main(["update"], prog_name="demo", obj=Session(settings), standalone_mode=False)


@contextmanager
def shop_and_samples(settings: Settings, scale: float, seed: int = 0) -> Iterator[Settings]:
    """Write the samples and start Postgres.

    Args:
        settings: Their landing zone and Dagster home must be folders.
        scale: The scale of the samples.
        seed: The same seed gives the same samples.

    Yields:
        The settings, with the two databases of the server.

    Raises:
        PipelineError: A file cannot be written, Postgres cannot be started, or the database of an
            earlier demo holds a sample of another scale.
    """
    write_samples(Path(settings.landing_uri), scale, seed, DAMAGE)
    with running_postgres(settings.dagster_home / SERVER) as server:
        shop = ensure_database(server, "shop")
        fill_rentals(shop, scale, seed)
        dsns = {"oltp_dsn": shop, "warehouse_dsn": ensure_database(server, "warehouse")}
        secrets = {name: SecretStr(dsn.reveal()) for name, dsn in dsns.items()}
        yield settings.model_copy(update=secrets)


def main() -> None:
    """Run the demo with the environment's settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    with one_line_errors():
        run_demo(Settings.from_environment(), arguments.scale)


if __name__ == "__main__":
    main()
