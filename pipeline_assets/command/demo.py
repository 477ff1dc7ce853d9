"""The demo behind ``make demo``: sample files, a rental shop in Postgres, everything up to date.

The Postgres server comes from pip, runs while the demo does, keeps its data below the Dagster home
and holds the shop's database and the warehouse. A second demo finds nothing to do.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from pipeline_assets.command.cli import Session, cli, one_line_errors
from pipeline_assets.command.postgres_server import ensure_database, running_postgres
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.sample import write_samples
from pipeline_assets.sample.rental_database import fill_rentals
from pipeline_assets.settings import Settings

SERVER: Final = "postgres"
DAMAGE: Final = 0.01


def run_demo(settings: Settings, scale: float, seed: int = 0) -> None:
    """Bring the whole graph up to date with :func:`shop_and_samples`.

    Raises:
        PipelineError: As :func:`shop_and_samples`.
        SystemExit: As :func:`update_all`.
    """
    with shop_and_samples(settings, scale, seed) as ready:
        update_all(ready)


def update_all(settings: Settings) -> None:
    """What ``pipeline-assets update`` does.

    Raises:
        SystemExit: Some asset failed; what and why is on standard error.
    """
    cli.main(["update"], prog_name="demo", obj=Session(settings), standalone_mode=False)


@contextmanager
def shop_and_samples(settings: Settings, scale: float, seed: int = 0) -> Iterator[Settings]:
    """Write the samples and start Postgres; yields the settings with the databases in it.

    Args:
        settings: Where the landing zone and Dagster's home lie; both must be folders.
        scale: Of the samples.
        seed: Same seed, same samples.

    Raises:
        PipelineError: Something cannot be written or started, or the database of an earlier demo
            holds a sample of another scale.
    """
    write_samples(Path(settings.landing_uri), scale, seed, DAMAGE)
    with running_postgres(settings.dagster_home / SERVER) as server:
        shop = ensure_database(server, "shop")
        fill_rentals(shop, scale, seed)
        warehouse = ensure_database(server, "warehouse")
        yield _with_databases(settings, shop, warehouse)


def _with_databases(settings: Settings, shop: SecretDsn, warehouse: SecretDsn) -> Settings:
    dsns = {"oltp_dsn": shop, "warehouse_dsn": warehouse}
    return settings.model_copy(update={name: SecretStr(dsn.reveal()) for name, dsn in dsns.items()})


def main() -> None:
    """Run the demo with the environment's settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    with one_line_errors():
        run_demo(Settings.from_environment(), arguments.scale)


if __name__ == "__main__":
    main()
