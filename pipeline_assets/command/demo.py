"""The demo behind ``make demo``: it writes sample files and a rental shop, and updates the lake.

The daily samples end yesterday. Wikipedia is a small one on this machine, with made-up views of the
two months before this one; so is Kinesis, with a stream of yesterday's last two hours. The
Postgres server comes from pip and runs as long as the demo. Its data lie below the Dagster home and
hold the shop's database and the warehouse. A second demo finds nothing to do; one on another day
adds the days since.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import click
from pydantic import SecretStr

from pipeline_assets.command.boundary import obey_sigterm, one_line_errors
from pipeline_assets.command.cli import cli
from pipeline_assets.command.postgres_server import ensure_database, running_postgres
from pipeline_assets.command.session import Session
from pipeline_assets.command.tables.first_batch import first_batch
from pipeline_assets.sample import write_samples
from pipeline_assets.sample.activity.kinesis import (
    STREAM,
    Stream,
    running_kinesis,
    sample_stream,
)
from pipeline_assets.sample.rental_database import fill_rentals, first_day_of_sample
from pipeline_assets.sample.rental_rows import DAYS
from pipeline_assets.sample.wikipedia.articles import sample_encyclopaedia
from pipeline_assets.sample.wikipedia.server import Wikipedia, running_wikipedia
from pipeline_assets.settings import Settings

SERVER: Final = "postgres"
DAMAGE: Final = 0.01
SINCE: Final = "sample_start"
"""File in the Dagster home with the first day of the samples: `make dev` starts windows there."""
MOST_REASONS: Final = 4


def run_demo(settings: Settings, scale: float, seed: int = 0, today: date | None = None) -> None:
    """Bring the whole graph up to date with samples, and say what to look at; see below."""
    end = today or datetime.now(UTC).date()
    stream = sample_stream(scale, seed, DAMAGE, end)
    with (
        shop_and_samples(settings, scale, seed, end) as shop,
        wikipedia(shop) as asked,
        kinesis(asked, stream) as ready,
    ):
        update_all(ready)
        click.echo(farewell(Session(ready)))


def update_all(settings: Settings) -> None:
    """Run ``pipeline-assets update``.

    Raises:
        SystemExit: An asset failed; its name and the reason are on standard error.
    """
    cli.main(["update"], prog_name="demo", obj=Session(settings), standalone_mode=False)


@contextmanager
def shop_and_samples(
    settings: Settings, scale: float, seed: int = 0, today: date | None = None
) -> Iterator[Settings]:
    """Write the samples and start Postgres.

    Args:
        settings: Their landing zone and Dagster home must be folders.
        scale: The scale of the samples.
        seed: The same seed gives the same samples.
        today: The day after the last one of the samples; by default today in UTC.

    Yields:
        The settings, with the two databases of the server and the first day of the samples.

    Raises:
        PipelineError: A file cannot be written, Postgres cannot be started, or the database of an
            earlier demo holds a sample of another scale.
    """
    end = today or datetime.now(UTC).date()
    with running_postgres(settings.dagster_home / SERVER) as server:
        shop = ensure_database(server, "shop")
        start = first_day_of_sample(shop, scale, seed) or end - timedelta(days=DAYS)
        days = (end - start).days
        fill_rentals(shop, scale, seed, end=end, days=days)
        write_samples(Path(settings.landing_uri), scale, seed, DAMAGE, end=end, days=days)
        (settings.dagster_home / SINCE).write_text(f"{start}\n")
        dsns = {"oltp_dsn": shop, "warehouse_dsn": ensure_database(server, "warehouse")}
        secrets = {name: SecretStr(dsn.reveal()) for name, dsn in dsns.items()}
        is_chosen = "rentals_start" in settings.model_fields_set
        since = {} if is_chosen else {"rentals_start": start}
        yield settings.model_copy(update={**secrets, **since})


@contextmanager
def wikipedia(settings: Settings) -> Iterator[Settings]:
    """Start what is asked about the sample's list of subjects, instead of Wikimedia.

    Months that are over, so that every demo of a month asks for the same.

    Yields:
        The settings, with the server's address.
    """
    end = datetime.now(UTC).date().replace(day=1) - timedelta(days=1)
    start = (end.replace(day=1) - timedelta(days=1)).replace(day=1)
    with running_wikipedia(Wikipedia(sample_encyclopaedia(loaded_until=end))) as server:
        chosen = {
            "wikimedia_contact": "demo@example.org",
            "wikimedia_endpoint_url": server.url,
            "pageviews_start": start,
        }
        yield settings.model_copy(update=chosen)


@contextmanager
def kinesis(settings: Settings, stream: Stream) -> Iterator[Settings]:
    """Start the stream that is read instead of one of Amazon's; yields settings that name it."""
    with running_kinesis(stream) as url:
        yield settings.model_copy(update={"stream_name": STREAM, "stream_endpoint_url": url})


def farewell(session: Session) -> str:
    """What was damaged on purpose and caught, and where to go from here, in six lines."""
    from pipeline_assets.reading.query import query

    names = [str(table) for table in session.tables if table.name == "rejected_rows"]
    rows = " union all ".join(f"select reason from {name}" for name in names)  # noqa: S608
    deployment = session.deployment
    with query(rows, deployment.lake, session.tables, deployment.embedded) as answer:
        counts = Counter(reason for (reason,) in answer.rows)
    some = ", ".join(f"{count} {reason}" for reason, count in counts.most_common(MOST_REASONS))
    sql = "select reason, count(*) from taobao.rejected_rows group by 1"
    lake = session.settings.lake_uri.removeprefix("./")
    lines = (
        f"Of a hundred rows one was damaged: {counts.total():,} were caught ({some}, …); "
        f"they lie in {', '.join(names)}.",
        "Look at it:   make dev, then http://localhost:3000 for graph, checks and pictures",
        f'Ask it:       .venv/bin/pipeline-assets query "{sql}"',
        f'From Python:  pipeline_assets.open_lake("{lake}")["music.similar_artists"].to_polars()',
        f"Train on it:  {first_batch(session)}",
        "Read on:      README.md, docs/reading.md, docs/training.md; tables: docs/catalogue.md",
    )
    return "\n".join(("", *lines))


def main() -> None:
    """Run the demo with the environment's settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--today", type=date.fromisoformat, help="the day after the last sample")
    arguments = parser.parse_args()
    # So that the server is stopped as well.
    obey_sigterm()
    with one_line_errors():
        run_demo(Settings.from_environment(), arguments.scale, today=arguments.today)


if __name__ == "__main__":
    main()
