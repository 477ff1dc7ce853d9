"""A server that answers like Kinesis whoever reads a stream: the stream of the demo.

It holds the last hours of events before a day, in two shards. Sequence numbers follow from the day,
so that a reader who has read them finds nothing new, and on the next day only what has come since.
"""

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Final

from pipeline_assets.sample.activity.events import (
    EVENTS_PER_HOUR_PER_SCALE,
    audience,
    lines_of_hour,
)

STREAM: Final = "demo-events"
HOURS: Final = 2
_SHARDS: Final = ("shardId-000000000000", "shardId-000000000001")
_SHARE: Final = 0.25
"""Of the events that the landing objects of an hour hold, so many more come by the stream."""
_A_DAY: Final = 10**9
_HOURS_KEPT: Final = 8760

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Stream:
    """What a stream holds: by shard, the sequence numbers, lines and arrivals of its records."""

    shards: Mapping[str, list[tuple[int, str, datetime]]]

    def answer(self, operation: str, request: Mapping[str, Any]) -> Answer:
        """What Kinesis answers; only what a reader asks is known."""
        if operation == "ListShards":
            return {"Shards": [_described(name) for name in self.shards]}
        if operation == "DescribeStreamSummary":
            return {"StreamDescriptionSummary": {"RetentionPeriodHours": _HOURS_KEPT}}
        if operation == "GetShardIterator":
            is_after = request["ShardIteratorType"] == "AFTER_SEQUENCE_NUMBER"
            first = int(request.get("StartingSequenceNumber", 0)) + is_after
            return {"ShardIterator": f"{request['ShardId']}/{first}"}
        return self._records(request)

    def _records(self, request: Mapping[str, Any]) -> Answer:
        name, _, first = request["ShardIterator"].partition("/")
        left = [it for it in self.shards[name] if it[0] >= int(first)]
        page = left[: request["Limit"]]
        following = page[-1][0] + 1 if page else first
        return {
            "Records": [
                {
                    "SequenceNumber": str(number),
                    "Data": base64.b64encode(line.encode()).decode(),
                    "ApproximateArrivalTimestamp": arrived.timestamp(),
                    "PartitionKey": name,
                }
                for number, line, arrived in page
            ],
            "NextShardIterator": f"{name}/{following}",
            "MillisBehindLatest": len(left) - len(page),
        }


def sample_stream(scale: float, seed: int, damage: float, end: date) -> Stream:
    """Events of the last hours before a day; arguments as of the landing files."""
    midnight = datetime(end.year, end.month, end.day, tzinfo=UTC)
    random = Random(f"stream {seed} {end}")  # noqa: S311 - no secret
    events = audience(scale, f"stream-{seed}-{end}").events(random)
    amount = max(round(EVENTS_PER_HOUR_PER_SCALE * scale * _SHARE), 1)
    found: list[tuple[int, str, datetime]] = []
    for hours in range(HOURS, 0, -1):
        begin = midnight - timedelta(hours=hours)
        for line in lines_of_hour(random, events, begin, amount, damage):
            found.append((end.toordinal() * _A_DAY + len(found), line, begin))
    return Stream({name: found[place :: len(_SHARDS)] for place, name in enumerate(_SHARDS)})


@contextmanager
def running_kinesis(stream: Stream) -> Iterator[str]:
    """Serve on a free port of this machine; yields the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            data = json.dumps(stream.answer(operation, request)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def _described(name: str) -> Answer:
    begin = {"StartingSequenceNumber": "0"}
    return {
        "ShardId": name,
        "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
        "SequenceNumberRange": begin,
    }
