"""What a tick of a landing sensor takes among 100,000 objects, and whether it finds a new one.

    python -m benchmarks.automation.listing --objects 100000

Once in a folder and once in a moto S3, which takes longer for a page than S3 does, because it sorts
all of its keys for each. The first pass has every delivery to judge; after it one object is added
and one is overwritten, and the next pass must find both and request nothing else.
"""

import argparse
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import dagster as dg
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from benchmarks.harness import markdown
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.definitions import build_definitions
from pipeline_assets.domains import music
from pipeline_assets.domains.music.deliveries import LISTENING
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.sensors.cursor import Cursor
from pipeline_assets.orchestration.sensors.downstream import DownstreamAssets
from pipeline_assets.orchestration.sensors.landing_sensor import Watch
from pipeline_assets.settings import Settings

ASSETS = datasets_in(music).assets

FILES_A_DAY = 100
MOTO_ACCOUNT = "123456789012"
HEADER = ("landing zone", "objects", "first pass", "tick after it", "longest", "pass", "cursor")


@dataclass
class Passes:
    """Ticks of a sensor, and what they took.

    Attributes:
        watch: The sensor.
        instance: Where Dagster keeps its events.
        definitions: The graph.
        cursor: What the sensor remembers.
        requested: Partitions that were requested, by run key: Dagster starts none of them twice.
    """

    watch: Watch
    instance: dg.DagsterInstance
    definitions: dg.Definitions
    cursor: str | None = None
    requested: dict[str, str] = field(default_factory=dict)

    def once_through(self) -> list[float]:
        """Ticks until the listing has been seen whole; the seconds of each."""
        seconds: list[float] = []
        while not seconds or not self._is_through:
            context = dg.build_sensor_context(
                self.instance, cursor=self.cursor, definitions=self.definitions
            )
            started = time.perf_counter()
            result = self.watch.evaluate(context)
            seconds.append(time.perf_counter() - started)
            self.cursor = result.cursor
            for each in result.run_requests or ():
                self.requested.setdefault(str(each.run_key), str(each.partition_key))
        return seconds

    @property
    def _is_through(self) -> bool:
        return not Cursor.decode(self.cursor).after


def path(number: int) -> str:
    """Of an object: a hundred to a day."""
    day = date(2000, 1, 1) + timedelta(days=number // FILES_A_DAY)
    table = "users" if number % 2 else "user_top_artists"
    return f"music/{day}/{table}_{number % FILES_A_DAY:02}.csv"


@contextmanager
def folder(objects: int) -> Iterator[tuple[Settings, Callable[[str], None]]]:
    """A landing zone in a folder, and how to put an object into it."""
    with TemporaryDirectory() as name:
        settings = Settings(lake_uri=f"{name}/lake", landing_uri=f"{name}/landing")

        def put(place: str) -> None:
            file = Path(settings.landing_uri, place)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(place)
            os.utime(file, (1e9, time.time() - 3600))

        for number in range(objects):
            put(path(number))
        yield settings, put


@contextmanager
def moto(objects: int) -> Iterator[tuple[Settings, Callable[[str], None]]]:
    """A landing zone in a moto S3 of this process; objects are put past its server."""
    os.environ.update(AWS_ACCESS_KEY_ID="nobody", AWS_SECRET_ACCESS_KEY="nothing")
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    backend = s3_backends[MOTO_ACCOUNT]["aws"]
    backend.create_bucket("bench-landing", "us-east-1")

    def put(place: str) -> None:
        content = str(time.time_ns()).encode()
        backend.put_object("bench-landing", f"landing/{place}", content)

    for number in range(objects):
        put(path(number))
    with TemporaryDirectory() as name:
        yield (
            Settings(
                lake_uri=f"{name}/lake",
                landing_uri="s3://bench-landing/landing",
                landing_settle_seconds=0,
                s3_endpoint_url=f"http://{host}:{port}",
                s3_region="us-east-1",
            ),
            put,
        )
    server.stop()


def measured(name: str, objects: int, settings: Settings, put: Callable[[str], None]) -> list[str]:
    """A row of the table.

    Raises:
        SystemExit: Something was missed, or made twice.
    """
    downstream = DownstreamAssets.of(LISTENING, ASSETS, Deployment(settings))
    definitions = build_definitions(settings, assets=ASSETS)
    with dg.DagsterInstance.ephemeral() as instance:
        passes = Passes(Watch(downstream, settings), instance, definitions)
        first = passes.once_through()
        expected = [path(number).split("/")[1] for number in range(0, objects, FILES_A_DAY)]
        _require(sorted(passes.requested.values()) == expected, "the first pass missed a delivery")
        put(path(objects // 2))
        put(path(objects + FILES_A_DAY))
        later = passes.once_through()
        news = sorted({path(it).split("/")[1] for it in (objects // 2, objects + FILES_A_DAY)})
        added = sorted(list(passes.requested.values())[len(expected) :])
        _require(added == news, f"requested {added} for {news}")
        size = len(passes.cursor or "")
    return [
        name,
        f"{objects:,}",
        f"{sum(first):.1f} s in {len(first)} ticks",
        f"{median(later):.2f} s",
        f"{max(later):.2f} s",
        f"{len(later)} ticks",
        f"{size:,} B",
    ]


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise SystemExit(complaint)


def main() -> None:
    """Measure both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=100_000)
    objects = parser.parse_args().objects
    logging.disable(logging.CRITICAL)
    rows = []
    for name, place in (("folder", folder), ("moto S3", moto)):
        with place(objects) as (settings, put):
            rows.append(measured(name, objects, settings, put))
    print(markdown(HEADER, rows))


if __name__ == "__main__":
    main()
