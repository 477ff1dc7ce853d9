"""The stream of the demo, read by the product's reader through boto3, without credentials."""

from datetime import UTC, date, datetime

import pytest

from pipeline_assets.sample.activity.kinesis import STREAM, running_kinesis, sample_stream
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets.streams.batch import SealedBatch
from pipeline_assets.streams.kinesis import ShardReader
from pipeline_assets.streams.sealing import Sealer, records_of

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def read(day: date, before: SealedBatch | None) -> tuple[SealedBatch | None, list[bytes]]:
    """The batch that follows on the day of a demo, and its lines."""
    with running_kinesis(sample_stream(1, 0, 0.1, day)) as url:
        reader = ShardReader(S3Access(endpoint_url=url).client("kinesis"), STREAM)
        batch = Sealer(reader).next_batch(before, NOW)
        shards = batch.shards if batch else ()
        found = [records_of(reader, batch, shard) for shard in shards if batch]
    return batch, [line for records in found for line in records.data]


def test_a_second_demo_finds_nothing_and_one_of_another_day_what_has_come_since() -> None:
    batch, lines = read(date(2026, 3, 2), None)
    assert batch is not None
    assert len(batch.shards) == 2
    assert len(lines) == batch.total > 200
    assert read(date(2026, 3, 2), batch) == (None, [])
    _, later = read(date(2026, 3, 3), batch)
    assert later
    assert not set(later) & set(lines)
