import ibis.expr.datatypes as dt
import pytest

from pipeline_assets.dataset.binding.casts import is_lossless

LOSSLESS = [
    (dt.int32, dt.int64),
    (dt.uint32, dt.int64),
    (dt.int32, dt.float64),
    (dt.int16, dt.float32),
    (dt.float32, dt.float64),
    (dt.null, dt.string),
    (dt.String(nullable=False), dt.string),
    (dt.Decimal(10, 2), dt.Decimal(18, 5)),
    (dt.int32, dt.Decimal(18, 5)),
    (dt.date, dt.timestamp),
    (dt.Timestamp(scale=3), dt.timestamp),
    (dt.Array(dt.int32), dt.Array(dt.int64)),
]
LOSING = [
    (dt.float64, dt.int64),  # rounds
    (dt.int64, dt.int32),
    (dt.uint64, dt.int64),
    (dt.int64, dt.float64),  # above 2^53
    (dt.int32, dt.float32),
    (dt.float64, dt.float32),
    (dt.Decimal(18, 5), dt.Decimal(18, 2)),
    (dt.Decimal(20, 5), dt.Decimal(18, 5)),
    (dt.Decimal(), dt.Decimal(18, 5)),
    (dt.int64, dt.Decimal(18, 5)),
    (dt.timestamp, dt.date),
    (dt.Timestamp(timezone="UTC"), dt.timestamp),
    (dt.Timestamp(scale=9), dt.timestamp),
    (dt.string, dt.int64),
    (dt.int64, dt.string),
    (dt.boolean, dt.int32),
    (dt.Array(dt.float64), dt.Array(dt.float32)),
]


@pytest.mark.parametrize(("actual", "declared"), LOSSLESS, ids=str)
def test_what_every_value_survives_happens_by_itself(
    actual: dt.DataType, declared: dt.DataType
) -> None:
    assert is_lossless(actual, declared)


@pytest.mark.parametrize(("actual", "declared"), LOSING, ids=str)
def test_what_may_lose_something_has_to_be_written(
    actual: dt.DataType, declared: dt.DataType
) -> None:
    assert not is_lossless(actual, declared)
