from collections.abc import Sequence

import pytest

from pipeline_assets.sample.taobao_damage import COMMON_FAULTS, SKELETON_FAULTS, Fault, cut
from pipeline_assets_tests.truth.taobao_verdict import (
    COMMON,
    SKELETON,
    Column,
    has_all_features,
    rejection,
)

Columns = Sequence[Column]

LINES = {
    SKELETON: b"7,0,1,00c0ffee00000001,2,205\x0243\x031.0\x01210\x025\x030.69315",
    COMMON: b"00c0ffee00000001,2,101\x0243\x031.0\x01109_14\x025\x030.69315\x01",
}
FAULTS = {SKELETON: SKELETON_FAULTS, COMMON: COMMON_FAULTS}
PLANTED = [(columns, fault) for columns, faults in FAULTS.items() for fault in faults]


@pytest.mark.parametrize(("columns", "fault"), PLANTED)
def test_every_fault_is_rejected_for_its_reason(columns: Columns, fault: Fault) -> None:
    line = LINES[tuple(columns)]
    assert rejection(line + b"\n", columns) is None
    assert rejection(fault.spoil(line) + b"\n", columns) == fault.reason


@pytest.mark.parametrize(("columns", "fault"), [(c, f) for c, f in PLANTED if f.reason is None])
def test_a_fault_that_is_accepted_is_a_wrong_number_of_features(
    columns: Columns, fault: Fault
) -> None:
    assert not has_all_features(fault.spoil(LINES[tuple(columns)]))


@pytest.mark.parametrize("columns", LINES)
@pytest.mark.parametrize("tokens", ["some", "none"])
def test_the_cut_at_the_end_of_a_file_is_noticed(columns: Columns, tokens: str) -> None:
    whole = LINES[tuple(columns)]
    line = whole if tokens == "some" else whole[: whole.rindex(b",") + 1]
    assert rejection(cut(line), columns) == "cut_line"


@pytest.mark.parametrize("columns", LINES)
def test_every_reason_of_a_kind_of_file_occurs(columns: Columns) -> None:
    reasons = {column.reason for column in columns}
    planted = {fault.reason for fault in FAULTS[tuple(columns)]}
    assert planted == {None, "empty_line", "undecodable", "field_count", *reasons}
