import pytest

from pipeline_assets.sample.taobao_damage import COMMON_FILE, SKELETON_FILE, Fault, Kind, cut
from pipeline_assets.sample.taobao_verdict import has_all_features, rejection

LINES = {
    SKELETON_FILE: b"7,0,1,00c0ffee00000001,2,205\x0243\x031.0\x01210\x025\x030.69315",
    COMMON_FILE: b"00c0ffee00000001,2,101\x0243\x031.0\x01109_14\x025\x030.69315\x01",
}
FAULTS = [(kind, fault) for kind in LINES for fault in kind.faults]


@pytest.mark.parametrize(("kind", "fault"), FAULTS)
def test_every_fault_is_rejected_for_its_reason(kind: Kind, fault: Fault) -> None:
    assert rejection(LINES[kind] + b"\n", kind.columns) is None
    assert rejection(fault.spoil(LINES[kind]) + b"\n", kind.columns) == fault.reason


@pytest.mark.parametrize(("kind", "fault"), [(k, f) for k, f in FAULTS if f.reason is None])
def test_a_fault_that_is_accepted_is_a_wrong_number_of_features(kind: Kind, fault: Fault) -> None:
    assert not has_all_features(fault.spoil(LINES[kind]))


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("tokens", ["some", "none"])
def test_the_cut_at_the_end_of_a_file_is_noticed(kind: Kind, tokens: str) -> None:
    line = LINES[kind] if tokens == "some" else LINES[kind][: LINES[kind].rindex(b",") + 1]
    assert rejection(cut(line), kind.columns) == "cut_line"


@pytest.mark.parametrize("kind", LINES)
def test_every_reason_of_a_kind_of_file_occurs(kind: Kind) -> None:
    columns = {column.reason for column in kind.columns}
    assert {fault.reason for fault in kind.faults} == {None, "undecodable", "field_count", *columns}
