"""A table of weights learnt from a few documents of three classes and two views."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.learning.linear_text import Weights, fit
from pipeline_assets.learning.term_counts import LinearTextParameters

PARAMETERS = LinearTextParameters(
    document="said",
    label="kind",
    classes=["cold", "mild", "warm"],
    views=["words", "ends"],
    groups={"words": {"heat": ["hot", "sun*", "sunset"], "frost": ["ice*"]}},
    group_weight=1.0,
    margin=0.1,
    smoothing=0.3,
    seed=0,
    most_documents=1_000,
)
COLD, MILD, WARM = "icy day", "windy day", "sunny day"


def documents(texts: Sequence[str], labels: Sequence[int]) -> pa.Table:
    words = [text.split() for text in texts]
    ends = [[f"*{word[-1]}" for word in listed] for listed in words]
    return pa.table({"said": list(texts), "kind": labels, "words": words, "ends": ends})


def learnt(**changes: object) -> Weights:
    texts = [f"{text} {number}" for text in (COLD, MILD, WARM) for number in range(20)]
    labels = [label for label in range(3) for _ in range(20)]
    return fit(documents(texts, labels), replace(PARAMETERS, **changes))  # type: ignore[arg-type]


def weight(model: Weights, term: str) -> list[int]:
    found: list[int] = model.weights[list(model.terms).index(term)].tolist()
    return found


def test_a_term_speaks_for_the_class_it_was_seen_in_and_a_common_one_for_none() -> None:
    model = learnt()
    cold, mild, warm = weight(model, "sunny")
    assert warm > 0 > max(cold, mild)
    assert warm > 10 * max(map(abs, weight(model, "day")))
    assert weight(model, "icy")[0] > 0


def test_the_offset_is_a_view_with_an_empty_term() -> None:
    model = learnt()
    assert (model.views[0], model.terms[0]) == ("", "")
    assert set(model.views) == {"", "words", "ends"}


def test_what_is_learnt_of_a_group_holds_for_words_that_no_document_has() -> None:
    assert weight(learnt(), "hot")[2] > 0
    assert "hot" not in learnt(groups={}).terms


def test_a_whole_word_wins_over_a_beginning() -> None:
    other = {"words": {"heat": ["sun*"], "frost": ["sunny", "cool"]}}
    model = learnt(groups=other)
    assert weight(model, "cool")[2] > 0


def test_the_same_documents_give_the_same_model_bit_for_bit() -> None:
    assert learnt().table("kind").equals(learnt().table("kind"))


def test_the_table_has_a_row_for_each_term_and_class() -> None:
    model = learnt()
    rows = model.table("kind")
    assert rows.column_names == ["view", "term", "kind", "weight"]
    assert len(rows) == 3 * len(model.terms)
    assert rows["kind"].to_pylist()[:4] == [0, 1, 2, 0]
    assert rows["weight"].to_pylist()[:3] == model.weights[0].tolist()


def test_copies_of_a_text_do_not_make_a_class_known() -> None:
    texts = [f"{text} {number}" for text in (COLD, MILD) for number in range(9)] + [WARM] * 9
    labels = [label for label in range(3) for _ in range(9)]
    with pytest.raises(PipelineError, match=r"too few warm texts .* 9 cold, 9 mild, 1 warm dist"):
        fit(documents(texts, labels), PARAMETERS)
