import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_assets.landing.raw_text import RESERVED_DELIMITER
from pipeline_assets_tests.truth.taobao_verdict import (
    COMMON,
    SKELETON,
    Column,
    has_all_features,
    rejection,
)

ONE = b"205\x024377107\x031.0"
TWO = ONE + b"\x01109_14\x0212\x030.69315"


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        (b"1,0,0,bacff91692951881,1," + ONE, SKELETON),
        (b"999999999999999999,1,1,a b,2," + TWO, SKELETON),
        (b"1,0,1,a,0,", SKELETON),
        (b"bacff91692951881,2," + TWO + b"\x01", COMMON),
        (b"a,1," + ONE + b"\x01\r", COMMON),
        (b"a,7," + ONE, COMMON),
        (b"a,1,101\x021\x03-3", COMMON),
        (b"a,1,101\x021\x031.2E-5", COMMON),
        ("ä,1,é\x021\x031".encode(), COMMON),
    ],
)
def test_sound_lines_are_accepted(line: bytes, columns: tuple[Column, ...]) -> None:
    assert rejection(line + b"\n", columns) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "empty_line"),
        (b"1,0,0,a,0", "field_count"),
        (b"1,0,0,a,1," + ONE + b",", "field_count"),
        (b",0,0,a,0,", "bad_sample_id"),
        (b"-1,0,0,a,0,", "bad_sample_id"),
        (b"1234567890123456789,0,0,a,0,", "bad_sample_id"),
        (b"1,2,0,a,0,", "bad_label"),
        (b"1,0,,a,0,", "bad_label"),
        (b"1,0,01,a,0,", "bad_label"),
        (b"1,0,0,,0,", "bad_index"),
        (b"1,0,0,a\x01,0,", "bad_index"),
        (b"1,0,0,a,,", "bad_feature_num"),
        (b"1,0,0,a,1.0," + ONE, "bad_feature_num"),
        (b"1,0,0,a,1234567890," + ONE, "bad_feature_num"),
        (b"1,0,0,a,1,205", "bad_token"),
        (b"1,0,0,a,1,205\x02\x031.0", "bad_token"),
        (b"1,0,0,a,1,205\x021\x03", "bad_token"),
        (b"1,0,0,a,1,205\x021\x031.", "bad_token"),
        (b"1,0,0,a,1,205\x021\x03nan", "bad_token"),
        (b"1,0,0,a,1,205\x021\x031e999", "bad_token"),
        (b"1,0,0,a,1,\x021\x031.0", "bad_token"),
        (b"1,0,0,a,1,\x01" + ONE, "bad_token"),
        (b"1,0,0,a,1," + ONE + b"\x01\x01", "bad_token"),
        (b"1,0,0,a,1,\x01", "bad_token"),
        (b"1,0,0,\xff,1,x", "undecodable"),
        (b"x,0,0,a\r,0,", "undecodable"),
        (b"x,0,0,a,0,\r\r", "undecodable"),
        (b"1,0,0," + RESERVED_DELIMITER + b",0,", "undecodable"),
        (b"x,2,0,,y,z", "bad_sample_id, bad_label, bad_index, bad_feature_num, bad_token"),
        (b"1,2,3,,y,", "bad_label, bad_index, bad_feature_num"),
        (b"1,0,0,a,y,z", "bad_feature_num, bad_token"),
    ],
)
def test_a_line_is_rejected_for_all_reasons_that_apply(line: bytes, reason: str) -> None:
    assert rejection(line + b"\n", SKELETON) == reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1,0,0,a,1," + ONE, None),
        (b"1,0,0,a,2," + ONE, "cut_line"),
        (b"1,0,0,a,1,205\x0243", "cut_line"),
        (b"1,0,0", "cut_line"),
        (b"1,0,0,\xc3", "cut_line"),
        (b"1,0,0,a,1," + ONE + b"\r", "cut_line"),
    ],
)
def test_a_line_that_the_file_ends_in_is_cut_if_anything_is_wrong(
    line: bytes, reason: str | None
) -> None:
    assert rejection(line, SKELETON) == reason


@given(st.integers(0, 20), st.booleans(), st.integers(0, 20))
def test_the_number_of_features_is_compared_with_the_tokens(
    tokens: int, trailing: bool, feature_num: int
) -> None:
    tokens_text = b"\x01".join([ONE] * tokens) + b"\x01" * (trailing and tokens > 0)
    line = b"a,%d,%s\n" % (feature_num, tokens_text)
    assert rejection(line, COMMON) is None
    assert has_all_features(line) == (feature_num == tokens)
