"""Record batches of this process, handed to a consumer that pulls them in threads of its own.

DuckDB pulls a stream in whichever thread it likes and flattens an exception of the producer to
text. So the producer runs in the caller's thread and the consumer in another; a bounded queue lies
between them. Each side's errors come out as they are.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, takewhile
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa


T = TypeVar("T")
Feed: TypeAlias = "Queue[pa.RecordBatch | None]"

_BATCHES_AHEAD: Final = 2
_SECONDS_BETWEEN_LOOKS: Final = 0.1


def consume_beside(
    batches: "Iterable[pa.RecordBatch]", consume: "Callable[[pa.RecordBatchReader], T]"
) -> T | None:
    """Pull batches in this thread while another one consumes them.

    Args:
        batches: All of one schema. If they end in an error, the consumer has seen those before it.
        consume: Called once the first batch is there.

    Returns:
        What the consumer returns; None where there is no batch.
    """
    rest = iter(batches)
    first = next(rest, None)
    if first is None:
        return None
    feed: Feed = Queue(_BATCHES_AHEAD)

    import pyarrow as pa  # noqa: PLC0415 - queries do without it

    reader = pa.RecordBatchReader.from_batches(first.schema, _taken(feed))
    try:
        with ThreadPoolExecutor(1, "consume-batches") as pool:
            consuming = pool.submit(consume, reader)
            _fill(feed, chain([first], rest), consuming)
            return consuming.result()
    finally:
        _let_go(feed)


def _taken(feed: Feed) -> "Iterator[pa.RecordBatch]":
    while (batch := feed.get()) is not None:
        yield batch


def _let_go(feed: Feed) -> None:
    """End the stream for whoever still waits for a batch of it.

    Arrow reads ahead in a thread of its own. Where the consumer fails, that thread would wait for
    ever, and the process for it at its end.
    """
    with suppress(Empty):
        while True:
            feed.get_nowait()
    feed.put(None)


def _fill(feed: Feed, batches: "Iterable[pa.RecordBatch]", consuming: Future[T]) -> None:
    """Offer all batches and then the end, to a consumer that may give up at any time."""
    try:
        for batch in takewhile(lambda _: not consuming.done(), batches):
            _offer(feed, batch, consuming)
    finally:
        _offer(feed, None, consuming)


def _offer(feed: Feed, item: "pa.RecordBatch | None", consuming: Future[T]) -> None:
    while not consuming.done():
        with suppress(Full):
            feed.put(item, timeout=_SECONDS_BETWEEN_LOOKS)
            return
