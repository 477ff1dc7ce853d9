"""Puts events of a rental shop's customers into a Kinesis stream, at a chosen rate."""

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any, Final, Protocol

from pipeline_assets.errors import PipelineError
from pipeline_assets.sample.activity.events import Event, audience

MOST_AT_ONCE: Final = 500
"""Kinesis takes at most so many records in one request."""
_TRIES: Final = 10
_WAIT_SECONDS: Final = 0.2


class Producer(Protocol):
    """What is used of boto3's client."""

    def put_records(self, **request: Any) -> Any:  # noqa: ANN401 - as boto3
        """Put records, some of which may be refused."""
        ...


def put_events(
    client: Producer,
    stream: str,
    rate: float,
    seconds: float,
    seed: int = 0,
    *,
    clock: Callable[[], float] = time.time,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Put events that occur now, a request a second or more often, and return how many.

    Args:
        client: Of Kinesis.
        stream: Name of the stream.
        rate: Events a second.
        seconds: For how long.
        seed: Another seed gives other events.
        clock: Seconds since 1970.
        pause: Waits for some seconds.

    Raises:
        PipelineError: Kinesis goes on refusing records.
    """
    begin = clock()
    random = Random(seed)  # noqa: S311 - no secret
    events = audience(1, f"stream-{seed}-{int(begin * 1000)}").events(random)
    total, put = round(rate * seconds), 0
    step = max(min(round(rate), MOST_AT_ONCE), 1)
    while put < total:
        at = f"{datetime.fromtimestamp(clock(), UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
        chosen = list(islice(events, min(step, total - put)))
        _put(client, stream, [{**event, "occurred_at": at} for event in chosen], pause)
        put += len(chosen)
        pause(max(begin + put / rate - clock(), 0))
    return put


def _put(
    client: Producer, stream: str, events: Sequence[Event], pause: Callable[[float], None]
) -> None:
    """Put events, and those again that were refused."""
    records = [
        {"Data": json.dumps(event).encode(), "PartitionKey": str(event["customer_id"])}
        for event in events
    ]
    for number in range(_TRIES):
        answer = client.put_records(StreamName=stream, Records=records)
        found = zip(records, answer["Records"], strict=True)
        records = [record for record, each in found if each.get("ErrorCode")]
        if not records:
            return
        pause(_WAIT_SECONDS * 2**number)
    raise PipelineError(f"Stream {stream} refused {len(records):,} records {_TRIES} times")
