"""The API under fifty clients, beside servers of the same rows, and pages while others publish.

    python -m benchmarks.serving --lake lake --peers FOLDER

The lake is one that `make demo SCALE=10` has filled. ``--peers`` names a virtual environment that
has Datasette and ROAPI (``pip install datasette roapi``): Datasette serves the rows from SQLite
with an index on the key, ROAPI from Parquet. Every server is asked the same questions by the same
clients, each of which keeps its connection open, one server after the other: first as fast as it
answers, then each client once in a second.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import quote

from fastapi.testclient import TestClient

from benchmarks.clients import Question, asked
from benchmarks.harness import markdown
from pipeline_assets import open_lake
from pipeline_assets.reading.open_lake import OpenLake
from pipeline_assets.reading.sandbox import Sandboxes
from pipeline_assets.serving.app import create_app
from pipeline_assets.serving.service import QueryService
from pipeline_assets.serving.tokens import Callers
from pipeline_assets_tests.landing.plays import local_lake, publish

CLIENTS: Final = 50
PACED: Final = 500
"""Requests of clients that each ask once in a second."""
TABLE: Final = "music.artist_rank_in_country"
AGGREGATE: Final = "SELECT country, count(*) AS artists FROM {} GROUP BY country ORDER BY country"
PORTS: Final = {"ours": 8701, "Datasette": 8702, "ROAPI": 8703}


Ask = Callable[[str], Question]
"""The question about a country."""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", default="lake")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--pages", type=int, default=10_000)
    options = parser.parse_args()
    with open_lake(options.lake) as lake, TemporaryDirectory() as scratch:
        _latencies(lake, Path(scratch), options.peers, options.requests)
        _pages(Path(scratch) / "pages", options.pages)


def _latencies(lake: OpenLake, scratch: Path, peers: Path | None, requests: int) -> None:
    environment = {**os.environ, "PIPELINE_LAKE_URI": lake.access.warehouse}
    countries = sorted(set(lake[TABLE].to_arrow()["country"].to_pylist()))
    rows = []
    for name, (command, by_key, aggregate) in _servers(lake, scratch, peers).items():
        with _running(command, environment, PORTS[name], by_key(countries[0])):
            for what, ask in (("rows of a country", by_key), ("aggregate", aggregate)):
                for how, pause, count in (("at once", 0.0, requests), ("a second", 1.0, PACED)):
                    taken = asked(PORTS[name], ask, countries, CLIENTS, count, pause)
                    cuts = quantiles(taken.seconds, n=100)
                    p50, p99 = (f"{cuts[at] * 1000:.1f}" for at in (49, 98))
                    rows.append((name, what, how, p50, p99, f"{count / taken.wall:.0f}"))
    print(f"{CLIENTS} clients, {requests} requests each time, {len(lake[TABLE]):,} rows\n")
    print(markdown(("server", "question", "asked again", "p50 ms", "p99 ms", "requests/s"), rows))


def _answer(connection: HTTPConnection, question: Question) -> bytes:
    headers = {"Content-Type": "application/json"} if question.body else {}
    body = question.body and question.body.encode()
    connection.request(question.method, question.path, body, headers)
    response = connection.getresponse()
    content = response.read()
    if response.status != 200 or len(content) < 3:
        raise SystemExit(f"{question}: {response.status} {content[:200]!r}")
    return content


def _servers(
    lake: OpenLake, scratch: Path, peers: Path | None
) -> dict[str, tuple[Sequence[str], Ask, Ask]]:
    """Command and both questions of each server."""
    sql = "select * from ranks where country = {} order by snapshot, rank limit 100"
    code = "from pipeline_assets.command.cli import main; main()"
    ours: tuple[Sequence[str], Ask, Ask] = (
        (sys.executable, "-c", code, "serve", "--port", str(PORTS["ours"])),
        lambda country: Question("GET", f"/countries/{quote(country)}/artists?limit=100"),
        lambda _: Question("POST", "/query", json.dumps({"sql": AGGREGATE.format(TABLE)})),
    )
    if peers is None:
        return {"ours": ours}
    database = _sqlite(lake, scratch / "lake.db")
    keyed = quote(sql.format(":c"))
    grouped = quote(AGGREGATE.format("ranks"))
    datasette: tuple[Sequence[str], Ask, Ask] = (
        (f"{peers}/bin/datasette", str(database), "--port", str(PORTS["Datasette"])),
        lambda country: Question("GET", f"/lake.json?sql={keyed}&c={quote(country)}"),
        lambda _: Question("GET", f"/lake.json?sql={grouped}"),
    )
    folder = _parquet(lake, scratch / "ranks.parquet")
    roapi: tuple[Sequence[str], Ask, Ask] = (
        (f"{peers}/bin/roapi", "--table", f"ranks={folder}", "-a", f"127.0.0.1:{PORTS['ROAPI']}"),
        lambda country: Question("POST", "/api/sql", sql.format(_literal(country))),
        lambda _: Question("POST", "/api/sql", AGGREGATE.format("ranks")),
    )
    return {"ours": ours, "Datasette": datasette, "ROAPI": roapi}


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _sqlite(lake: OpenLake, path: Path) -> Path:
    frame = lake[TABLE].to_pandas()
    with sqlite3.connect(path) as database:
        frame.to_sql("ranks", database, index=False)
        database.execute("CREATE INDEX by_country ON ranks (country, snapshot, rank)")
    return path


def _parquet(lake: OpenLake, path: Path) -> Path:
    lake[TABLE].to_polars().write_parquet(path)
    return path


@contextmanager
def _running(
    command: Sequence[str], environment: Mapping[str, str], port: int, question: Question
) -> Iterator[None]:
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            try:
                _answer(HTTPConnection("127.0.0.1", port, timeout=60), question)
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def _pages(folder: Path, wanted: int) -> None:
    """Walk through pages of a table that another thread publishes over and over."""
    lake = local_lake(folder)
    publish(lake, {"mon": dict.fromkeys(map(str, range(100)), 0)})
    read = open_lake(folder)
    service = QueryService(read, Sandboxes(read.engine))
    client = TestClient(create_app(service, Callers({})))
    is_over = threading.Event()
    publisher = threading.Thread(target=_publish, args=(folder, is_over))
    publisher.start()
    pages = walks = wrong = versions = 0
    seen: set[int] = set()
    try:
        while pages < wanted:
            values, count = _walk(client)
            pages, walks = pages + count, walks + 1
            wrong += len(set(values)) != 1 or len(values) != 100
            seen |= set(values)
        versions = len(seen)
    finally:
        is_over.set()
        publisher.join()
    print(f"\n{pages:,} pages in {walks:,} walks over {versions:,} versions: {wrong} walks wrong")


def _walk(client: TestClient) -> tuple[list[int], int]:
    body: dict[str, object] = {
        "sql": "SELECT plays FROM music.plays ORDER BY listener",
        "limit": 10,
    }
    values, pages = [], 0
    while True:
        answer = client.post("/query", json=body).json()
        values += [row["plays"] for row in answer["rows"]]
        pages += 1
        if answer["next"] is None:
            return values, pages
        body["page"] = answer["next"]


def _publish(folder: Path, is_over: threading.Event) -> None:
    lake, number = local_lake(folder), 0
    while not is_over.is_set():
        number += 1
        publish(lake, {"mon": dict.fromkeys(map(str, range(100)), number)})
        time.sleep(0.2)


if __name__ == "__main__":
    main()
