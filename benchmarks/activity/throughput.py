"""Events a second from the shards of a stream to published hours, beside a loop by hand.

    python -m benchmarks.activity.throughput [--events 200000]

Both read the same recorded answers of Kinesis, so that no server takes part. The loop parses each
record and writes a Parquet file for each hour: no rejected rows, no duplicates found, nothing that
could be repeated. Seconds of CPU, because the machine may be busy with other things.
"""

import argparse
import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any
from unittest.mock import patch

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import Outcome, Race, markdown
from pipeline_assets.publish.staging import Stager
from pipeline_assets.sample.activity.events import audience
from pipeline_assets.settings import Settings
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets.streams.sealing import Sealer
from pipeline_assets_tests.domains.activity.world import World
from pipeline_assets_tests.doubles.kinesis import START
from pipeline_assets_tests.updating import update

FEW = 100
HOURLY = ("raw_events", "rejected_rows", "events")
STEPS = ("sealing", "stream_batches", *HOURLY)
SHARDS = 2
HOURS = 3
PAGE = 10_000


def record(folder: Path, events: int) -> None:
    """Write what each shard answers."""
    random = Random(0)
    source = audience(1, "bench").events(random)
    lines: list[list[str]] = [[] for _ in range(SHARDS)]
    for number in range(events):
        hour = 8 + number * HOURS // events
        at = f"{START:%Y-%m-%d}T{hour:02}:{random.randrange(60):02}:{random.randrange(60):02}Z"
        lines[number % SHARDS].append(json.dumps({**next(source), "occurred_at": at}))
    for shard, found in enumerate(lines):
        (folder / f"{shard}.jsonl").write_text("\n".join(found))


class Recorded:
    """Hands out recorded answers, as boto3's client would."""

    def __init__(self, folder: Path) -> None:
        self.shards = {
            f"shardId-{int(path.stem):012d}": [
                {
                    "SequenceNumber": str(place + 1),
                    "Data": line,
                    "ApproximateArrivalTimestamp": START,
                }
                for place, line in enumerate(path.read_bytes().split(b"\n"))
            ]
            for path in sorted(folder.glob("*.jsonl"))
        }

    def list_shards(self, **_request: object) -> Mapping[str, Any]:
        """All shards."""
        return {"Shards": [{"ShardId": name} for name in self.shards]}

    def get_shard_iterator(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401 - as boto3
        """A place in a shard."""
        first = int(request.get("StartingSequenceNumber", 1)) - 1
        return {"ShardIterator": f"{request['ShardId']}/{first}"}

    def get_records(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401 - as boto3
        """A page of a shard."""
        name, _, first = request["ShardIterator"].partition("/")
        begin, records = int(first), self.shards[name]
        end = min(begin + request["Limit"], len(records))
        return {
            "Records": records[begin:end],
            "NextShardIterator": f"{name}/{end}",
            "MillisBehindLatest": len(records) - end,
        }


def lake(source: Path, target: Path) -> Outcome:
    """Seal, read, land, parse, reject, find duplicates, audit and publish.

    A batch of a few events goes first, so that what a process does once is told apart.
    """
    logging.disable(logging.CRITICAL)
    few = target / "few"
    few.mkdir()
    record(few, FEW)
    with dg.DagsterInstance.ephemeral() as instance:
        once = published(few, target / "first", instance)
        return {**published(source, target / "second", instance), "once": once["cpu"]}


def published(source: Path, target: Path, instance: dg.DagsterInstance) -> Outcome:
    """What each step took until the hours of recorded answers are published in a new lake."""
    client = Recorded(source)
    S3Access.client = lambda *_: client  # type: ignore[method-assign]
    settings = Settings(
        lake_uri=str(target / "lake"),
        landing_uri=str(target / "landing"),
        dagster_home=target / "home",
        stream_name="recorded",
        stream_batch_records=1_000_000,
        threads=2,
    )
    target.mkdir()
    world = World(settings, instance)
    world.updater.in_order()  # the definitions, which a daemon has loaded
    taken: dict[str, float] = defaultdict(float)
    begin = perf_counter(), process_time()
    with _timed(Sealer, "next_batch", taken), _timed(Stager, "stage", taken):
        assert [outcome.failures for outcome in world.read()] == [()]
        assert update(world.updater, *HOURLY).failures == ()
    seconds, cpu = perf_counter() - begin[0], process_time() - begin[1]
    ((events,),) = world.query("SELECT count(*) FROM activity.events")
    return {"seconds": seconds, "cpu": cpu, "events": events, **taken}


@contextmanager
def _timed(owner: type, name: str, taken: dict[str, float]) -> Iterator[None]:
    """Add up what a method takes, by the table that it works for."""
    method = getattr(owner, name)

    def timed(self: object, *arguments: Any) -> object:  # noqa: ANN401 - those of any method
        begin = process_time()
        try:
            return method(self, *arguments)
        finally:
            asset = getattr(arguments[0], "asset", None)
            taken[asset.table.name if asset else "sealing"] += process_time() - begin

    with patch.object(owner, name, timed):
        yield


def loop(source: Path, target: Path) -> Outcome:
    """What one would write first."""
    client = Recorded(source)
    begin, hours, events = (perf_counter(), process_time()), defaultdict(list), 0
    for shard in client.list_shards()["Shards"]:
        request = {"ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = client.get_shard_iterator(**request)["ShardIterator"]
        behind = 1
        while behind:
            page = client.get_records(ShardIterator=iterator, Limit=PAGE)
            for found in page["Records"]:
                event = json.loads(found["Data"])
                event["occurred_at"] = datetime.fromisoformat(event["occurred_at"])
                hours[event["occurred_at"].strftime("%Y-%m-%dT%H")].append(event)
            iterator, behind = page["NextShardIterator"], page["MillisBehindLatest"]
    for hour, rows in hours.items():
        pq.write_table(pa.Table.from_pylist(rows), target / f"{hour}.parquet")
        events += len(rows)
    return {
        "seconds": perf_counter() - begin[0],
        "cpu": process_time() - begin[1],
        "events": events,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        source = Path(folder, "source")
        source.mkdir()
        record(source, options.events)
        race = Race("events", {"lake": lake, "loop": loop}, options.rounds)
        race.run(source, Path(folder))
    rows = [
        [
            name,
            f"{race.seconds(name, 'cpu'):.2f} s",
            f"{options.events / race.seconds(name, 'cpu'):,.0f}",
            f"{options.events / race.seconds(name):,.0f}",
            f"{race.peak_mib(name):,.0f} MiB",
        ]
        for name in race.contenders
    ]
    print(markdown(("", "CPU", "events a CPU second", "events a second", "peak"), rows))
    cpu = [run.measured["cpu"] for run in race.results["lake"]]
    by_hand = [run.measured["cpu"] for run in race.results["loop"]]
    ratios = [mine / theirs for mine, theirs in zip(cpu, by_hand, strict=True)]
    print(f"\nCPU by the loop's, median of the rounds: {median(ratios):.2f}\n")
    parts = {name: race.seconds("lake", name) for name in STEPS}
    rest = race.seconds("lake", "cpu") - sum(parts.values())
    once = {f"all of it for {FEW} events, in a new process": race.seconds("lake", "once")}
    steps = {**parts, "runs, commits, checks of published tables": rest, **once}
    print(markdown(("of which", "CPU"), [[name, f"{it:.2f} s"] for name, it in steps.items()]))


if __name__ == "__main__":
    main()
