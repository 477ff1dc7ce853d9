"""Which of a partition's landing objects have gone, and what is said of it."""

from dataclasses import replace

import pytest

from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.staleness.withdrawals import Withdrawal, withdrawal, withdrawn_lines

RECORD = PartitionRecord("v", {"files": "f"}, "1", "run", 3, 30, objects=("/a/1", "/a/2", "/a/3"))


@pytest.mark.parametrize(
    ("present", "gone"),
    [
        (["/a/1", "/a/2", "/a/3"], None),
        (["/a/1", "/a/2", "/a/3", "/a/4"], None),
        (["/a/1", "/a/3"], Withdrawal(("/a/2",), 2)),
        ([], Withdrawal(("/a/1", "/a/2", "/a/3"), 0)),
        (["/a/1", "/a/4"], Withdrawal(("/a/2", "/a/3"), 1, is_replaced=True)),
        (["/b/1"], Withdrawal(("/a/1", "/a/2", "/a/3"), 0, is_replaced=True)),
    ],
)
def test_objects_have_gone_that_the_record_names_and_the_listing_does_not(
    present: list[str], gone: Withdrawal | None
) -> None:
    assert withdrawal(RECORD, present) == gone


def test_of_a_record_without_objects_and_of_nothing_nobody_knows() -> None:
    assert withdrawal(replace(RECORD, objects=()), ["/a/1"]) is None
    assert withdrawal(None, ["/a/1"]) is None


def test_only_what_nothing_has_come_for_is_a_part() -> None:
    assert Withdrawal(("/a/2",), 2).is_partial
    assert not Withdrawal(("/a/2",), 2, is_replaced=True).is_partial
    assert not Withdrawal(("/a/2",), 0).is_partial


def test_of_many_partitions_that_lost_objects_the_first_are_told_in_full() -> None:
    part, whole = Withdrawal(("/a/1", "/a/2"), 1), Withdrawal(("/b/1",), 0)
    found = {f"k{number}": part for number in range(9)} | {"w": whole}
    lines = list(withdrawn_lines({"landing/boxes": found}))
    assert lines == [
        "landing/boxes: nothing of w lies there any more; what is published is kept, and update "
        "--withdraw empties it",
        *(
            f"landing/boxes: k{number}: 2 of the 3 objects that it came from lie there no more "
            "(1, 2); what is published is kept, and update --withdraw publishes the rest"
            for number in range(3)
        ),
        "landing/boxes: the same of k3 … k8 (6)",
    ]
