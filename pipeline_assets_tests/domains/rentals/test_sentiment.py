"""Texts taken apart, and what a table of weights says of them."""

import math
import random
from itertools import pairwise
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from pipeline_assets.dataset.sql import to_sql
from pipeline_assets.domains.rentals.sentiment import (
    LEARNING,
    VIEWS,
    classified,
    scored_reviews,
    with_views,
)
from pipeline_assets.learning.linear_text import fit
from pipeline_assets.learning.term_counts import LinearTextParameters

REVIEWS = ibis.table({"cid": "int64", "review_str": "string"}, name="reviews")
MODEL = ibis.table(
    {"view": "string", "term": "string", "sentiment": "int32", "weight": "int64"}, name="model"
)
PRAISE, SHRUG, BLAME = "a wonderful film", "a film", "not a wonderful film but awful"
AWKWARD = [
    "", " ", "\n\r\t", "\u2028\u0085", "good\u00a0film", "Good\ufeff Film\u200b!", "won\u2019t",
    "İSTANBUL \u0131I", "ΣΊΣΥΦΟΣ ΌΣ", "Straße STRASSE ẞ", "ŠKODA Žluťoučký", "ФИЛЬМ Ужасный ЁЖ",
    "ǅ ﬁlm \u210c Ⅷ Å K", "这部电影非常好看 我很喜欢", "ฉันชอบหนังเรื่องนี้มาก", "मुझे यह फ़िल्म पसंद है",
    "영화 좋아요", "\U0001f44e\U0001f3fd\U0001f44d \u2764\ufe0f", "\U00010400\U0001e900 \U0002a6d6",
    "e\u0301 \u00e9", "فيلم رائع", "סרט נהדר", "it's n't don't-like' 'quoted' -dash-",
    "$1 \\1 %s {0}",
    "so...bad!!!?? :) :-( ;)", "not not no never good", "but but but", "a but", " but good",
    "can't \u2014 won't", "x" * 30_000, "good " * 4_000, "\u00c9 " * 6_000, "~>& ~a >b &c a&b",
    "\ufffd\ufffe\uffff", "I\u0307 \u1e9e \u03c2 \u01c5 \u2126",
]  # fmt: skip


def on_duckdb(expression: ir.Table, **tables: pa.Table) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.execute(to_sql(expression, "duckdb")).fetchall()


def reviews(*texts: str) -> pa.Table:
    return pa.table({"cid": list(range(len(texts))), "review_str": list(texts)})


def model(texts: list[str], labels: list[int]) -> pa.Table:
    scored = pa.table({"review_str": texts, "sentiment": labels})
    table = ibis.table({"review_str": "string", "sentiment": "int64"}, name="scored")
    with duckdb.connect() as connection:
        connection.register("scored", scored)
        taken_apart = connection.execute(to_sql(with_views(table), "duckdb")).to_arrow_table()
    return fit(taken_apart, LinearTextParameters(**LEARNING, seed=0)).table("sentiment")


def trained_on(others: list[str]) -> pa.Table:
    texts = [f"{text} {n}" for text in (BLAME, SHRUG, PRAISE) for n in range(12)]
    labels = [label for label in range(3) for _ in range(12)]
    return model([*texts, *others], [*labels, *(n % 3 for n in range(len(others)))])


@pytest.fixture(scope="module")
def trained() -> pa.Table:
    return trained_on([])


def test_a_text_is_taken_apart_into_views() -> None:
    text = "It\u2019s NOT very funny, but I liked it!"
    (row,) = on_duckdb(with_views(REVIEWS).select(*VIEWS), reviews=reviews(text))
    words, pairs, beginnings, negated, contrasted = row
    assert words == ["it's", "not", "very", "funny", ",", "but", "i", "liked", "it", "!"]
    assert sorted(pairs) == sorted(map(" ".join, pairwise(words)))
    assert beginnings == [" it's", " very", " funn", " like"]
    assert negated == ["~not", "~very", "~funny"]
    assert contrasted == [">i", ">liked", ">it", ">!"]


def test_no_term_is_in_two_views() -> None:
    rows = on_duckdb(with_views(REVIEWS).select(*VIEWS), reviews=reviews(*AWKWARD, BLAME))
    terms = [{term for row in rows for term in row[view]} for view in range(len(VIEWS))]
    assert sum(map(len, terms)) == len(set().union(*terms))
    assert "" not in set().union(*terms)


def test_words_decide(trained: pa.Table) -> None:
    asked = reviews(PRAISE, BLAME, "superb and wonderful")
    answers = on_duckdb(classified(REVIEWS, MODEL), reviews=asked, model=trained)
    assert {cid: sentiment for cid, _, sentiment, *_ in answers} == {0: 2, 1: 0, 2: 2}
    assert all(positive == (sentiment == 2) for _, _, sentiment, positive, _ in answers)


def test_copies_of_a_review_are_all_answered_alike(trained: pa.Table) -> None:
    asked = pa.table({"cid": [1, 1, 2, 3], "review_str": [PRAISE, PRAISE, PRAISE, ""]})
    answers = on_duckdb(classified(REVIEWS, MODEL), reviews=asked, model=trained)
    assert sorted(cid for cid, *_ in answers) == [1, 1, 2, 3]
    assert len({row[2:] for row in answers if row[1] == PRAISE}) == 1


def test_confidence_is_the_softmax_of_summed_weights() -> None:
    weights = {("", ""): (0, 100_000, -100_000), ("words", "good"): (-1_000_000, 0, 2_000_000)}
    rows = [
        {"view": view, "term": term, "sentiment": label, "weight": weight}
        for (view, term), listed in weights.items()
        for label, weight in enumerate(listed)
    ]
    asked = reviews("good good unknown")
    ((_, _, sentiment, _, confidence),) = on_duckdb(
        classified(REVIEWS, MODEL), reviews=asked, model=pa.Table.from_pylist(rows)
    )
    pairs = zip(*weights.values(), strict=True)
    logits = [(offset + 2 * good / math.sqrt(2)) / 1e6 for offset, good in pairs]
    expected = math.exp(logits[2]) / sum(map(math.exp, logits))
    assert sentiment == 2
    assert confidence == round(expected, 4)


def test_stars_are_classes_and_copies_are_held_out_together() -> None:
    scored = ibis.table({"review_str": "string", "score": "int32"}, name="scored")
    rows = pa.table({"review_str": [f"film {n // 2}" for n in range(400)],
                     "score": pa.array([1, 2, 3, 4, 5, None, 1, 1] * 50, pa.int32())})  # fmt: skip
    found = on_duckdb(scored_reviews(scored), scored=rows)
    assert {sentiment for _, sentiment, _ in found} == {0, 1, 2}
    assert len(found) == 350
    held_out = {text: kept for text, _, kept in found}
    assert all(held_out[text] == kept for text, _, kept in found)
    assert 0.1 < sum(held_out.values()) / len(held_out) < 0.3


def awkward_and_random() -> list[str]:
    """Awkward texts, some of letters from anywhere in Unicode, and every letter once."""
    draw = random.Random(4)
    planes = [(0x20, 0x7F), (0x80, 0x24F), (0x370, 0x52F), (0x590, 0xDFF), (0xE00, 0x1FFF)]
    planes += [(0x2000, 0x2FFF), (0x3000, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF)]
    texts = [
        "".join(chr(draw.randint(*draw.choice(planes))) for _ in range(draw.randint(1, 60)))
        for _ in range(600)
    ]
    every_letter = "".join(map(chr, range(1, 0xD800)))
    return [*AWKWARD, *texts, *(every_letter[n : n + 500] for n in range(0, 0xD800, 500))]
