"""The demo behind ``make demo``: sample files, a rental shop in Postgres, everything up to date.

The Postgres server comes from pip, runs while the demo does, keeps its data below the Dagster home
and holds the shop's database and the warehouse. A second demo finds nothing to do.
"""

import argparse
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from pipeline_assets.cli import Session, cli, told_in_one_line
from pipeline_assets.lake.dsn import SecretDsn
from pipeline_assets.sample import RENTAL_DAYS, write_samples
from pipeline_assets.sample.postgres_server import ensure_database, running_postgres
from pipeline_assets.sample.rentals import fill_rentals
from pipeline_assets.settings import Settings

SERVER: Final = "postgres"
DAMAGE: Final = 0.01


def run_demo(settings: Settings, scale: float, seed: int = 0) -> None:
    """Write the samples, start Postgres, bring the whole graph up to date, stop Postgres.

    Args:
        settings: Where lake and landing zone lie; both must be folders.
        scale: Of the samples.
        seed: Same seed, same samples.

    Raises:
        PipelineError: Something cannot be written or started, or the database of an earlier demo
            holds a sample of another scale.
        SystemExit: Some asset failed; what and why is on standard error.
    """
    write_samples(Path(settings.landing_uri), scale, seed, DAMAGE)
    with running_postgres(settings.dagster_home / SERVER) as server:
        shop = ensure_database(server, "shop")
        fill_rentals(shop, scale, seed, days=RENTAL_DAYS)
        warehouse = ensure_database(server, "warehouse")
        session = Session(_with_databases(settings, shop, warehouse))
        cli.main(["update"], prog_name="demo", obj=session, standalone_mode=False)


def _with_databases(settings: Settings, shop: SecretDsn, warehouse: SecretDsn) -> Settings:
    dsns = {"oltp_dsn": shop, "warehouse_dsn": warehouse}
    return settings.model_copy(update={name: SecretStr(dsn.reveal()) for name, dsn in dsns.items()})


def main() -> None:
    """Run the demo with the environment's settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    with told_in_one_line():
        run_demo(Settings.from_environment(), arguments.scale)


if __name__ == "__main__":
    main()
