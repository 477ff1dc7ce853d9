import numpy as np
import pytest

from pipeline_assets.training import Ragged, ResidentTensors

FIELD = Ragged(
    np.array([3, 1, 4, 1, 5], np.int32),
    np.array([1, 2, 3, 4, 5], np.float32),
    np.array([0, 0, 2, 2, 5], np.int64),
)


def test_only_the_last_token_of_a_row_is_left() -> None:
    last = FIELD.last()
    assert last.ids.tolist() == [1, 5]
    assert last.weights.tolist() == [1, 1]
    assert last.offsets.tolist() == [0, 0, 1, 1, 2]


def test_rows_are_taken_where_the_users_are() -> None:
    torch = pytest.importorskip("torch", reason="torch is an extra: pipeline-assets[training]")
    rows = np.array([3, 0, 1, 3], np.int64)
    ids, weights, offsets = ResidentTensors.of({"f1": FIELD}).take(torch.from_numpy(rows))["f1"]
    wanted = FIELD.take(rows)
    assert ids.tolist() == wanted.ids.tolist() == [4, 1, 5, 3, 1, 4, 1, 5]
    assert weights.tolist() == wanted.weights.tolist()
    assert offsets.tolist() == wanted.offsets.tolist()
