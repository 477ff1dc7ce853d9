"""Splits, dense ids and candidates, beside plain Python; and every leak, planted."""

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import hypothesis.strategies as st
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as examples

from pipeline_assets.dataset.training import leaks
from pipeline_assets.dataset.training.candidates import CandidateConfig, candidates
from pipeline_assets.dataset.training.interactions import InteractionSplit, indexed, numbered
from pipeline_assets.errors import PipelineError

Row = dict[str, Any]
FIRST = date(2026, 1, 1)
SCHEMA = pa.schema(
    [("shop", pa.string()), ("user", pa.string()), ("item", pa.string()), ("happened_on", "date32")]
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from("xy"), st.sampled_from("abcd"), st.sampled_from("rstuv"), st.integers(0, 9)
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda it: it[:3],
)
BY_TIME = InteractionSplit(policy="by_time", validation_from="2026-01-05", test_from="2026-01-08")


def table(events: list[Any]) -> ir.Table:
    rows = [
        {"shop": shop, "user": user, "item": item, "happened_on": FIRST + timedelta(days=day)}
        for shop, user, item, day in events
    ]
    return ibis.memtable(pa.Table.from_pylist(rows, schema=SCHEMA))


def interactions(events: list[Any], config: InteractionSplit) -> ir.Table:
    split = config.split(numbered(table(events), ["shop"], ["user", "item"]), ["shop"], "user")
    return indexed(indexed(split, ["shop"], "user", "user_index"), ["shop"], "item", "item_index")


def rows_of(found: ir.Table) -> list[Row]:
    rows: list[Row] = found.to_pyarrow().to_pylist()
    return rows


def parts(events: list[Any], policy: str) -> dict[Any, str]:
    """Which part each event is in."""
    found = dict.fromkeys(events, "train")
    if policy == "by_time":
        for event in events:
            day = event[3]
            found[event] = "test" if day >= 7 else "validation" if day >= 4 else "train"
        return found
    for of in {event[:2] for event in events}:
        own = sorted((it for it in events if it[:2] == of), key=lambda it: (it[3], it[1], it[2]))
        if len(own) > 2:
            found[own[-1]], found[own[-2]] = "test", "validation"
    return found


@examples(max_examples=20, deadline=None)
@given(EVENTS, st.sampled_from([BY_TIME, InteractionSplit()]))
def test_parts_and_ids_are_what_plain_python_says(
    events: list[Any], config: InteractionSplit
) -> None:
    expected = parts(events, config.policy)
    rows = rows_of(interactions(events, config))
    found = {
        (row["shop"], row["user"], row["item"], (row["happened_on"] - FIRST).days): row
        for row in rows
    }
    assert {event: row["part"] for event, row in found.items()} == expected
    for shop in "xy":
        own = sorted((it for it in events if it[0] == shop), key=lambda it: (it[3], it[1], it[2]))
        assert [found[it]["interaction_id"] for it in own] == list(range(1, len(own) + 1))
        for place, index in ((1, "user_index"), (2, "item_index")):
            counts = Counter(it[place] for it in own if expected[it] == "train")
            ordered = sorted(counts, key=lambda it: (-counts[it], it))
            indices = {name: number for number, name in enumerate(ordered, start=2)}
            assert all(found[it][index] == indices.get(it[place], 1) for it in own)


def test_cuts_need_two_days_in_order() -> None:
    for given_ in ({}, {"validation_from": "2026-02-01", "test_from": "2026-01-01"}):
        config = InteractionSplit(policy="by_time", **given_)
        with pytest.raises(PipelineError, match="by_time needs validation_from and test_from"):
            interactions([("x", "a", "r", 1)], config)


MANY = [
    ("x", str(user), f"{(user * 7 + n * n) % 40:02}", n) for user in range(30) for n in range(6)
]


def test_candidates_are_one_choice_among_things_that_were_never_chosen() -> None:
    base = interactions(list({it[:3]: it for it in MANY}.values()), InteractionSplit())
    rows = rows_of(base)
    chosen = {(it["user_index"], it["item_index"]) for it in rows}
    asked = {it["interaction_id"] for it in rows if it["part"] != "train"}
    found = rows_of(candidates(base, ["shop"], CandidateConfig(negatives=8)))
    assert {it["interaction_id"] for it in found} == asked
    by_place = Counter(it["place"] for it in found)
    assert by_place == dict.fromkeys(range(9), len(asked))
    for row in found:
        assert ((row["user_index"], row["item_index"]) in chosen) == (row["choice_label"] == 1)
    assert len({(it["interaction_id"], it["item_index"]) for it in found}) == len(found)


def test_draws_are_spread_evenly_and_differ_by_seed() -> None:
    base = interactions(list({it[:3]: it for it in MANY}.values()), InteractionSplit())
    first, second = (
        rows_of(candidates(base, ["shop"], CandidateConfig(negatives=10, seed=seed)))
        for seed in (1, 2)
    )
    assert {tuple(it.items()) for it in first} != {tuple(it.items()) for it in second}
    drawn = Counter(it["item_index"] for it in (*first, *second) if not it["choice_label"])
    assert len(drawn) == 40
    mean = drawn.total() / 40
    assert all(mean / 2 < count < mean * 2 for count in drawn.values())


def planted(change: Callable[[Row], bool], **values: object) -> ir.Table:
    """Sound interactions, in one row of which something is changed."""
    rows = rows_of(interactions(SOUND, BY_TIME))
    place = next(place for place, row in enumerate(rows) if change(row))
    rows[place] |= values
    return ibis.memtable(pa.Table.from_pylist(rows))


SOUND = [
    ("x", user, f"{item}", day) for user in "ab" for day, item in ((1, "r"), (5, "s"), (8, "t"))
]
SOUND += [("x", "a", "u", 2), ("x", "a", "v", 6), ("x", "b", "v", 3)]
CHECKS: dict[str, Callable[[ir.Table], ir.Table]] = {
    "order": lambda it: leaks.out_of_order(it, ["shop"]),
    "cut": lambda it: leaks.later_than_a_cut(it, ["shop"]),
    "users": lambda it: leaks.not_from_training(it, ["shop"], "user", "user_index"),
    "items": lambda it: leaks.not_from_training(it, ["shop"], "item", "item_index"),
    "ambiguous": lambda it: leaks.ambiguous(it, ["shop"], "item", "item_index"),
}


def failing(rows: ir.Table) -> set[str]:
    return {name for name, check in CHECKS.items() if rows_of(check(rows))}


@pytest.mark.parametrize("config", [BY_TIME, InteractionSplit()])
def test_nothing_fails_on_what_is_sound(config: InteractionSplit) -> None:
    assert failing(interactions(SOUND, config)) == set()


def test_each_check_fails_on_its_leak_and_on_nothing_else() -> None:
    # On the day of the first validation, but before it: only the cut is wrong.
    day = (FIRST - date(1970, 1, 1)).days + 5
    late = planted(lambda row: row["part"] == "train" and row["item"] == "u", day=day)
    assert failing(late) == {"cut"}
    swapped = planted(lambda row: row["part"] == "train" and row["item"] == "u", interaction_id=99)
    assert failing(swapped) == {"order"}
    # Only validation and test have s.
    known = planted(lambda row: row["item"] == "s", item_index=9)
    assert failing(known) == {"items"}
    stranger = planted(lambda row: row["part"] == "test", user_index=1)
    assert failing(stranger) == {"users"}
    double = planted(lambda row: row["item"] == "u", item_index=2)
    assert failing(double) == {"ambiguous"}


def test_candidates_that_were_chosen_are_noticed() -> None:
    base = interactions(list({it[:3]: it for it in MANY}.values()), InteractionSplit())
    drawn = rows_of(candidates(base, ["shop"], CandidateConfig(negatives=3)))
    sound = ibis.memtable(pa.Table.from_pylist(drawn))
    assert rows_of(leaks.known_candidates(sound, base, ["shop"])) == []
    assert rows_of(leaks.without_their_choice(sound, ["shop"])) == []
    chosen = next(place for place, row in enumerate(drawn) if row["choice_label"])
    drawn[chosen]["choice_label"] = 0
    leaky = ibis.memtable(pa.Table.from_pylist(drawn))
    assert len(rows_of(leaks.known_candidates(leaky, base, ["shop"]))) == 1
    assert len(rows_of(leaks.without_their_choice(leaky, ["shop"]))) == 1
