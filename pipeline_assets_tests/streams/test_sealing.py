"""What a batch seals, in which order shards are read, and what is said of records that are gone."""

from datetime import timedelta

import pytest

from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.errors import PipelineError
from pipeline_assets.streams.batch import SealedBatch, newest_batch
from pipeline_assets.streams.kinesis import ShardReader
from pipeline_assets.streams.sealing import Limit, Sealer, records_of
from pipeline_assets_tests.doubles.kinesis import START, FakeKinesis

FIRST = "shardId-000000000000"


@pytest.fixture
def kinesis() -> FakeKinesis:
    return FakeKinesis()


def reader(kinesis: FakeKinesis) -> ShardReader:
    return ShardReader(kinesis, kinesis.stream, pause=lambda _seconds: None)


def sealed(
    kinesis: FakeKinesis, before: SealedBatch | None = None, *, records: int = 100
) -> SealedBatch | None:
    return Sealer(reader(kinesis), Limit(records=records)).next_batch(before, kinesis.now)


def read(kinesis: FakeKinesis, batch: SealedBatch) -> list[bytes]:
    found = [records_of(reader(kinesis), batch, shard) for shard in batch.shards]
    return [data for records in found for data in records.data]


def drained(kinesis: FakeKinesis, *, records: int = 100) -> list[list[bytes]]:
    """What every batch reads, until nothing is left."""
    batches, before = [], None
    while before := sealed(kinesis, before, records=records):
        batches.append(read(kinesis, before))
        assert before.total == len(batches[-1])
    return batches


def test_a_batch_names_the_first_and_the_last_record_of_each_shard(kinesis: FakeKinesis) -> None:
    numbers = [kinesis.put(b"%d" % place) for place in range(3)]
    batch = sealed(kinesis)
    assert batch is not None
    assert batch.ranges == {FIRST: [numbers[0], numbers[2]]}
    assert batch.records == {FIRST: 3}
    kinesis.put(b"later")
    assert read(kinesis, batch) == [b"0", b"1", b"2"]


def test_nothing_new_is_no_batch(kinesis: FakeKinesis) -> None:
    assert sealed(kinesis) is None
    kinesis.put(b"one")
    assert sealed(kinesis, sealed(kinesis)) is None


def test_a_batch_ends_at_its_limit_and_the_next_one_begins_behind_it(kinesis: FakeKinesis) -> None:
    data = [b"%d" % place for place in range(7)]
    for each in data:
        kinesis.put(each)
    batches = drained(kinesis, records=3)
    assert [it for batch in batches for it in batch] == data
    assert len(batches) == 3


def test_children_are_read_once_their_parents_are_read_to_the_end(kinesis: FakeKinesis) -> None:
    for place in range(5):
        kinesis.put(b"parent %d" % place)
    kinesis.split(FIRST)
    left, right = kinesis.open_shards
    kinesis.put(b"left", left)
    kinesis.put(b"right", right)
    kinesis.merge(left, right)
    kinesis.put(b"child")
    order = [it for batch in drained(kinesis, records=9) for it in batch]
    assert order[:5] == [b"parent %d" % place for place in range(5)]
    assert set(order[5:7]) == {b"left", b"right"}
    assert order[7:] == [b"child"]


def test_a_parent_that_is_behind_holds_its_children_back(kinesis: FakeKinesis) -> None:
    for place in range(5):
        kinesis.put(b"%d" % place)
    kinesis.split(FIRST)
    kinesis.put(b"child")
    batch = sealed(kinesis, records=9)
    assert batch is not None
    assert (batch.shards, batch.total) == ([FIRST], 3)
    assert batch.behind == [FIRST]


def test_an_iterator_that_expires_is_made_anew_behind_what_was_read(kinesis: FakeKinesis) -> None:
    for place in range(5):
        kinesis.put(b"%d" % place)
    pages = reader(kinesis).pages(FIRST, None, 2)
    first = next(pages)
    kinesis.expiring = 1
    rest = [data for page in pages for data in page.records.data]
    assert [*first.records.data, *rest] == [b"0", b"1", b"2", b"3", b"4"]


def test_an_iterator_that_expires_at_once_is_an_error_with_counts(kinesis: FakeKinesis) -> None:
    numbers = [kinesis.put(b"%d" % place) for place in range(5)]
    pages = reader(kinesis).pages(FIRST, None, 2)
    next(pages)
    kinesis.expiring = 2
    with pytest.raises(PipelineError, match=f"after 2 records were read.*{numbers[1]}"):
        list(pages)


def test_empty_pages_are_no_end(kinesis: FakeKinesis) -> None:
    kinesis.put(b"far")
    kinesis.gaps = 3
    batch = sealed(kinesis)
    assert batch is not None
    assert batch.total == 1


def test_sealed_records_that_were_dropped_are_counted(kinesis: FakeKinesis) -> None:
    kinesis.put(b"old")
    kinesis.put(b"old")
    kinesis.pass_time(20)
    kinesis.put(b"new")
    batch = sealed(kinesis)
    assert batch is not None
    kinesis.pass_time(5)
    with pytest.raises(PipelineError, match=r"of the 3 records .* holds 1, so 2 were dropped"):
        read(kinesis, batch)


def test_what_was_dropped_unread_is_no_silence(kinesis: FakeKinesis) -> None:
    kinesis.put(b"read")
    before = sealed(kinesis)
    kinesis.pass_time(1)
    kinesis.put(b"never read")
    kinesis.pass_time(30)
    kinesis.put(b"left")
    with pytest.raises(PipelineError, match="update --accept"):
        sealed(kinesis, before)
    accepting = Sealer(reader(kinesis), accepts_loss=True).next_batch(before, kinesis.now)
    assert accepting is not None
    assert read(kinesis, accepting) == [b"left"]


def test_a_quiet_stream_that_was_looked_at_has_lost_nothing(kinesis: FakeKinesis) -> None:
    kinesis.put(b"read")
    before = sealed(kinesis)
    kinesis.pass_time(30)
    looked_at = kinesis.now - timedelta(hours=1)
    sealer = Sealer(reader(kinesis))
    assert sealer.next_batch(before, kinesis.now, looked_at) is None
    kinesis.put(b"new")
    batch = sealer.next_batch(before, kinesis.now, looked_at)
    assert batch is not None
    assert batch.total == 1


def test_what_kinesis_refuses_is_one_line(kinesis: FakeKinesis) -> None:
    lost = ShardReader(kinesis, "lost")
    with pytest.raises(PipelineError, match="refused stream lost: ResourceNotFoundException"):
        lost.shards()


def test_a_lake_that_reads_another_stream_begins_at_its_oldest_record() -> None:
    before = SealedBatch(stream="events", positions={FIRST: "170"}, sealed_at=START.isoformat())
    config = before.model_dump()
    published = {
        key: PartitionRecord("", {}, "", "", 0, 0, config={**config, "stream": stream})
        for key, stream in (("000000001", "events"), ("000000002", "other"))
    }
    assert newest_batch(published, "events") == ("000000002", before)
    assert newest_batch(published, "new") == ("000000002", None)
