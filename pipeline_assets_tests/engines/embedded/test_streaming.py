"""Batches of this process, pulled by another thread."""

from collections.abc import Iterator
from threading import Event, Thread

import pyarrow as pa
import pytest

from pipeline_assets.engines.embedded.streaming import consume_beside

BATCH = pa.record_batch({"n": [1]})


def test_whoever_reads_ahead_is_let_go_when_the_consumer_fails() -> None:
    """A thread that waits for a batch for ever would keep its process from ending."""
    has_failed = Event()
    ahead: list[Thread] = []

    def batches() -> Iterator[pa.RecordBatch]:
        yield BATCH
        has_failed.wait(20)

    def consume(reader: pa.RecordBatchReader) -> None:
        reader.read_next_batch()
        ahead.append(Thread(target=reader.read_all, daemon=True))
        ahead[0].start()
        has_failed.set()
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        consume_beside(batches(), consume)
    ahead[0].join(10)
    assert not ahead[0].is_alive()
