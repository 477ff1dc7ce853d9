"""Every leak check fails on a planted leak, and on nothing else."""

from typing import Any

import ibis
import pytest

from pipeline_assets.domains.taobao.contracts import CommonFeatures, CoreFeatures, Impressions
from pipeline_assets.domains.taobao.training import checks
from pipeline_assets.domains.taobao.training.contracts import (
    EncodedImpressions,
    TokenCounts,
    UserGroups,
    Vocabulary,
)
from pipeline_assets.domains.taobao.training.policies import LabelPolicy, SplitPolicy
from pipeline_assets.domains.taobao.training.vocabularies import continued, counted, in_training
from pipeline_assets_tests.domains.taobao.test_checks import failing, table

TRAIN = {"split": "train", "part": "train"}
GROUPS = (
    TRAIN | {"common_features_index": "a", "user_row": 1},
    TRAIN | {"common_features_index": "b", "user_row": 2, "part": "validation"},
    {"split": "test", "part": "test", "common_features_index": "a", "user_row": 1},
)
IMPRESSIONS = (
    {"split": "train", "sample_id": 1, "common_features_index": "a"},
    {"split": "train", "sample_id": 2, "common_features_index": "b"},
    {"split": "test", "sample_id": 1, "common_features_index": "a"},
)
CORE = tuple(
    {"split": split, "sample_id": sample_id, "feature_name": "205", "feature_id": feature_id}
    for split, sample_id, feature_id in (("train", 1, 7), ("train", 2, 8), ("test", 1, 9))
)
COMMON = tuple(
    {"split": split, "common_features_index": index, "feature_name": "101", "feature_id": it}
    for split, index, it in (("train", "a", 17), ("train", "b", 18), ("test", "a", 19))
)
INPUTS = (
    table(CoreFeatures, *CORE),
    table(CommonFeatures, *COMMON),
    table(Impressions, *IMPRESSIONS),
    table(UserGroups, *GROUPS),
)


def known(*tokens: tuple[str, int, int]) -> ibis.Table:
    rows = [
        {"feature_name": name, "feature_id": feature_id, "index": index, "count": 1}
        for name, feature_id, index in tokens
    ]
    return table(Vocabulary, *rows)


def encoded(*rows: tuple[int, str]) -> ibis.Table:
    made = [
        {"split": "train", "sample_id": place, "user_row": user_row, "part": part}
        for place, (user_row, part) in enumerate(rows)
    ]
    return table(EncodedImpressions, *made)


def counts(*rows: tuple[str, str, int, int, int]) -> ibis.Table:
    names = ("split", "feature_name", "feature_id", "count", "training_count")
    return table(TokenCounts, *(dict(zip(names, row, strict=True)) for row in rows))


HONEST = (
    ("train", "205", 7, 1, 1),
    ("train", "205", 8, 1, 0),
    ("test", "205", 9, 1, 0),
    ("train", "101", 17, 1, 1),
    ("train", "101", 18, 1, 0),
    ("test", "101", 19, 1, 0),
)


def test_tokens_are_counted_by_split_and_for_training() -> None:
    found = counted(*INPUTS).to_pyarrow().to_pylist()
    assert sorted(tuple(row.values()) for row in found) == sorted(HONEST)
    tokens = in_training(counts(*HONEST, ("train", "999", 3, 1, 1))).to_pyarrow().to_pylist()
    assert sorted(row["feature_id"] for row in tokens) == [7, 17], "999 is no field with columns"


@pytest.mark.parametrize("leaked", [row for row in HONEST if not row[-1]])
def test_a_token_that_is_counted_for_training_and_is_held_back_is_refused(
    leaked: tuple[str, str, int, int, int],
) -> None:
    check = checks.what_is_held_back_is_not_counted_for_training
    assert failing(check, counts(*HONEST), *INPUTS) == []
    others = [row for row in HONEST if row != leaked]
    assert len(failing(check, counts(*others, (*leaked[:-1], 1)), *INPUTS)) == 1


def test_a_training_token_that_is_taken_for_one_held_back_is_missed() -> None:
    check = checks.what_is_held_back_is_not_counted_for_training
    assert len(failing(check, counts(("train", "205", 7, 1, 0), *HONEST[1:]), *INPUTS)) == 1


def test_a_token_that_is_not_counted_is_missed() -> None:
    check = checks.every_token_is_counted
    assert failing(check, counts(*HONEST), *INPUTS[:2]) == []
    assert len(failing(check, counts(*HONEST[1:]), *INPUTS[:2])) == 1
    assert len(failing(check, counts(*HONEST, ("test", "205", 7, 2, 0)), *INPUTS[:2])) == 1


@pytest.mark.parametrize(("leaked", "name"), [(8, "205"), (9, "205"), (18, "101"), (19, "101")])
def test_a_vocabulary_that_has_seen_validation_or_test_is_refused(leaked: int, name: str) -> None:
    honest = (("205", 7, 2), ("101", 17, 2))
    check = checks.only_training_tokens_are_counted
    assert failing(check, known(*honest), counts(*HONEST)) == []
    assert len(failing(check, known(*honest, (name, leaked, 3)), counts(*HONEST))) == 1


def test_a_vocabulary_whose_counts_are_those_of_all_parts_is_refused() -> None:
    check, twice = checks.only_training_tokens_are_counted, ("train", "205", 7, 2, 2)
    assert len(failing(check, known(("205", 7, 2)), counts(twice))) == 1


def test_a_user_on_both_sides_is_refused() -> None:
    check = checks.no_user_on_both_sides
    assert failing(check, encoded((1, "train"), (1, "train"), (2, "validation"))) == []
    # Impressions without common features share no user.
    assert failing(check, encoded((0, "train"), (0, "validation"))) == []
    assert len(failing(check, encoded((1, "train"), (1, "validation")))) == 1


def test_a_user_of_both_splits_is_told() -> None:
    check, nothing = checks.no_user_is_in_two_parts, known()
    split = {"split": "test", "part": "test", "user_row": 1}
    others = (*GROUPS[:2], split | {"common_features_index": "c"})
    assert failing(check, nothing, table(UserGroups, *others)) == []
    assert len(failing(check, nothing, table(UserGroups, *GROUPS))) == 1


def test_an_impression_in_another_part_than_its_user_is_refused() -> None:
    check, groups = checks.the_user_of_an_impression_is_in_its_part, INPUTS[3]
    assert failing(check, encoded((1, "train"), (2, "validation"), (0, "train")), groups) == []
    assert len(failing(check, encoded((2, "train")), groups)) == 1


def test_training_on_test_is_refused() -> None:
    check = checks.test_is_test_and_nothing_else
    assert failing(check, table(UserGroups, *GROUPS)) == []
    leaks = [GROUPS[2] | {"part": "train"}, GROUPS[0] | {"part": "test"}]
    assert [len(failing(check, table(UserGroups, leak))) for leak in leaks] == [1, 1]


def test_an_index_never_changes_its_meaning() -> None:
    published = known(("205", 7, 2), ("205", 8, 3))
    grown, swapped = known(("205", 7, 2), ("205", 8, 3), ("205", 9, 4)), known(("205", 7, 3))
    check = checks.indices_keep_their_meaning
    assert failing(check, grown, published) == []
    assert len(failing(check, swapped, published)) == 2


def test_what_is_new_comes_behind_what_is_published() -> None:
    published = known(("205", 9, 2), ("205", 8, 3))
    counts = [("205", 8, 1), ("205", 7, 5), ("205", 6, 5), ("205", 5, 1), ("206", 4, 2)]
    names = ("feature_name", "feature_id", "count")
    table_ = ibis.memtable([dict(zip(names, it, strict=True)) for it in counts])
    found = continued(published, table_, min_count=2).to_pyarrow().to_pylist()
    assert {(it["feature_name"], it["feature_id"]): (it["index"], it["count"]) for it in found} == {
        ("205", 9): (2, 0),
        ("205", 8): (3, 1),
        ("205", 6): (4, 5),
        ("205", 7): (5, 5),
        ("206", 4): (2, 2),
    }


def test_indices_are_dense_and_used_once() -> None:
    twice, gap = known(("205", 7, 2), ("205", 8, 2)), known(("205", 7, 2), ("205", 8, 4))
    assert len(failing(checks.an_index_stands_for_one_token, twice)) == 1
    assert len(failing(checks.indices_leave_no_gap, gap)) == 1
    assert failing(checks.indices_leave_no_gap, known(("205", 7, 2), ("101", 8, 2))) == []


def test_a_share_of_users_is_held_back_by_name_and_salt() -> None:
    users = ibis.memtable({"split": ["train"] * 2000, "user": [f"{it:x}" for it in range(2000)]})

    def held_back(salt: str) -> list[str]:
        policy = SplitPolicy(policy="by_user", share=0.25, salt=salt)
        part = policy.part_of(users.split, users.user)
        found: list[str] = users.filter(part == "validation").user.to_pyarrow().to_pylist()
        return found

    assert 400 < len(held_back("")) < 600
    assert held_back("") == held_back("")
    assert held_back("") != held_back("other")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("keep", (0, 1)), ("drop_conversion", (0, 0)), ("add_click", (1, 1))],
)
def test_a_conversion_without_click_follows_the_policy(policy: Any, expected: Any) -> None:  # noqa: ANN401
    rows = ibis.memtable({"click": [0, 1, 1], "bought": [1, 0, 1]})
    labels = LabelPolicy(conversion_without_click=policy).labels(rows.click, rows.bought)
    found = rows.select(**labels).to_pyarrow().to_pylist()
    assert [(row["click_label"], row["conversion_label"]) for row in found] == [
        expected,
        (1, 0),
        (1, 1),
    ]


def test_a_lost_token_is_missed() -> None:
    row = {"split": "train", "sample_id": 1, "num_tokens": 1, "f205": 3, "other_tokens": []}
    nothing = {f"f{name}": 0 for name in ("206", "207", "216", "508", "509", "702", "301")}
    lists: dict[str, list[float]] = {"f210": [], "f210_weight": [], "f853": [], "f853_weight": []}
    whole, lost = row | nothing | lists, row | nothing | lists | {"f205": 0}
    check = checks.every_token_of_an_impression_has_a_place
    assert failing(check, table(EncodedImpressions, whole)) == []
    assert len(failing(check, table(EncodedImpressions, lost))) == 1
    uneven = whole | {"f210": [4], "num_tokens": 2}
    assert len(failing(check, table(EncodedImpressions, uneven))) == 1
    core = table(CoreFeatures, *CORE[:2])
    counted_ = checks.every_impression_token_encoded
    assert failing(counted_, table(EncodedImpressions, whole), core) != []
    assert failing(counted_, table(EncodedImpressions, whole, whole), core) == []
