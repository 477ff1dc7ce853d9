"""The sentiment model: trained on a few hundred made-up reviews, read in any language, stored."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_assets.errors import PipelineError
from pipeline_assets.learning.sentiment import (
    FORMAT_VERSION,
    SentimentModel,
    from_bytes,
    predict,
    sentiment_of_score,
    to_bytes,
)
from pipeline_assets.learning.sentiment_fit import Trained, fit, train
from pipeline_assets.learning.sentiment_report import (
    calibration_error,
    confusion_png,
    report,
    to_markdown,
)
from pipeline_assets.learning.sentiment_text import normalise, text_features
from spark_resources.cluster.sentiment_lexicon import ENGLISH, NO_TONE, Lexicon, Tone
from spark_resources.cluster.sentiment_rules import EDGE, MINIMUM_TEXTS

SNIPPETS = Path("../shared/data/vader-reviews/movieReviewSnippets_GroundTruth.txt")
SUBJECTS = ["the film", "this story", "its ending", "the cast", "the music", "every scene"]
OPINIONS = (
    ["terrible", "a boring mess", "not funny at all", "painfully dull", "awful"],
    ["okay", "neither here nor there", "average", "so-so", "much as expected"],
    ["wonderful", "a joy to watch", "not bad, in fact great", "gripping", "superb"],
)


def made_up_reviews(count: int, seed: int = 0) -> tuple[list[str | None], list[int]]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count).tolist()
    texts: list[str | None] = [
        f"{random.choice(SUBJECTS)} was {random.choice(OPINIONS[label])} ({random.integers(999)})"
        for label in labels
    ]
    return texts, labels


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(*made_up_reviews(300), origin="snapshot 42")


@pytest.fixture(scope="module")
def model(trained: Trained) -> SentimentModel:
    return trained.model


@pytest.mark.parametrize(
    ("score", "sentiment"), [(1, 0), (2, 0), (2.5, 1), (3, 1), (3.5, 1), (4, 2), (5, 2)]
)
def test_a_score_names_a_class(score: float, sentiment: int) -> None:
    assert sentiment_of_score(score) == sentiment


@pytest.mark.parametrize("score", [0, 6, -1, float("nan")])
def test_a_score_outside_the_scale_is_refused(score: float) -> None:
    with pytest.raises(PipelineError, match="between 1 and 5"):
        sentiment_of_score(score)


def test_clear_opinions_are_told_apart(model: SentimentModel) -> None:
    texts = ["an awful, boring film", "an average story", "a superb and gripping film"]
    classes, confidence = predict(model, texts)
    assert classes.tolist() == [0, 1, 2]
    assert classes.dtype == np.int32
    assert confidence.dtype == np.float64
    assert ((confidence > 1 / 3) & (confidence <= 1)).all()


def test_a_negator_turns_an_opinion_round(model: SentimentModel) -> None:
    classes, _ = predict(model, ["the cast was not funny at all", "the cast was not bad, great"])
    assert classes.tolist() == [0, 2]


def test_same_texts_and_seed_give_the_same_bytes(model: SentimentModel) -> None:
    again = train(*made_up_reviews(300), origin="snapshot 42")
    assert to_bytes(again.model) == to_bytes(model)


def test_a_model_remembers_where_it_comes_from(model: SentimentModel) -> None:
    assert model.notes["origin"] == "snapshot 42"
    assert sum(model.notes["texts"].values()) == 300


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " \n\t",
        "👍👍👍",
        "!!!???",
        "这部电影很好看",
        "فيلم رائع جدا",
        "ภาพยนตร์ยอดเยี่ยม",
        "e\u0301" * 50,
        "\x00\x1f\ud800",
        "no" * 3,
        "wonderful " * 120_000,
    ],
)
def test_any_text_gets_a_class(model: SentimentModel, text: str | None) -> None:
    classes, confidence = predict(model, [text])
    assert classes[0] in (0, 1, 2)
    assert 0 < confidence[0] <= 1


@settings(max_examples=25)
@given(st.lists(st.none() | st.text(), max_size=5))
def test_a_prediction_depends_on_its_text_alone(
    model: SentimentModel, texts: list[str | None]
) -> None:
    together, confidence = predict(model, texts)
    alone = [predict(model, [text]) for text in texts]
    assert together.tolist() == [int(classes[0]) for classes, _ in alone]
    assert confidence.tolist() == [float(shares[0]) for _, shares in alone]


def test_texts_stream(model: SentimentModel) -> None:
    classes, _ = predict(model, (f"superb film {number}" for number in range(10_000)))
    assert (classes == 2).all()
    assert predict(model, [])[0].shape == (0,)


def test_of_a_long_text_only_the_edges_are_read() -> None:
    assert len(normalise("ab" * EDGE * 3)) == 2 * EDGE + 1
    assert len(normalise("\ufdfa" * 3 * EDGE)) == 2 * EDGE + 1


def test_the_end_of_a_long_text_counts(model: SentimentModel) -> None:
    story = "we sat in the hall. " * 5_000
    classes, _ = predict(model, [f"{story} awful, terrible, a boring mess"])
    assert classes[0] == 0


def test_features_of_a_batch_are_those_of_its_texts() -> None:
    texts = ["not good but great", "", "😀 so-so"]
    batch = text_features(texts, ENGLISH)
    for row, text in enumerate(texts):
        single = text_features([text], ENGLISH)
        assert (batch.words[row] != single.words[0]).nnz == 0
        assert (batch.characters[row] != single.characters[0]).nnz == 0
        assert (batch.tone[row] != single.tone[0]).nnz == 0
        assert batch.cues[row].tolist() == single.cues[0].tolist()


@pytest.mark.parametrize(
    ("word", "tone"),
    [
        ("superb", Tone.STRONG_PRAISE),
        ("disappointingly", Tone.STRONG_COMPLAINT),
        ("booooring", Tone.COMPLAINT),
        ("jaw-droppingly-funny", Tone.PRAISE),
        ("okay", Tone.MIDDLING),
        ("table", NO_TONE),
        ("", NO_TONE),
    ],
)
def test_words_of_common_tone_are_known(word: str, tone: int) -> None:
    assert ENGLISH.tone(word) == tone


def test_no_entry_stands_in_two_lists() -> None:
    entries = [entry for entries in ENGLISH.lists for entry in entries.split()]
    assert sorted(entries) == sorted(set(entries))


def test_a_model_without_word_lists_learns_too() -> None:
    texts, labels = made_up_reviews(200)
    bare = fit(texts, labels, lexicon=Lexicon(("",) * len(Tone)))
    assert predict(bare, ["the film was superb", "the music was awful"])[0].tolist() == [2, 0]


def test_too_few_texts_of_a_class_are_named() -> None:
    texts, labels = made_up_reviews(60)
    labels = [2 if label == 1 else label for label in labels]
    labels[:2] = [1, 1]
    with pytest.raises(PipelineError, match=r"too few neutral .* 2 neutral.*each class needs 5"):
        train(texts, labels)


def test_copies_and_blank_texts_are_no_evidence() -> None:
    texts, labels = made_up_reviews(60)
    padding: list[str | None] = [None, " ", *["dull stuff"] * 20]
    with pytest.raises(PipelineError, match="too few negative"):
        train(
            [text for text, label in zip(texts, labels, strict=True) if label] + padding,
            [label for label in labels if label] + [0] * len(padding),
        )


def test_no_reviews_at_all_are_too_few() -> None:
    with pytest.raises(PipelineError, match="too few negative and neutral and positive"):
        train([], [])


def test_the_smallest_training_set_works() -> None:
    texts = [f"{SUBJECTS[n]} was {OPINIONS[label][n]}" for label in range(3) for n in range(5)]
    labels = np.repeat(range(3), MINIMUM_TEXTS).tolist()
    trained = train(texts, labels)
    assert [each.support for each in trained.report.classes] == [1, 1, 1]


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 3], [-1, 1, 2]])
def test_labels_must_fit_the_texts(labels: list[int]) -> None:
    with pytest.raises(PipelineError, match="label"):
        fit(["a", "b", "c"], labels)


def test_copies_never_stand_on_both_sides_of_the_split() -> None:
    texts, labels = made_up_reviews(100)
    measured = train(texts * 4, labels * 4).report
    assert sum(each.support for each in measured.classes) % 4 == 0


def test_the_report_covers_a_stratified_fifth(trained: Trained) -> None:
    measured = trained.report
    assert [each.name for each in measured.classes] == ["negative", "neutral", "positive"]
    assert 55 <= sum(each.support for each in measured.classes) <= 65
    assert measured.accuracy > 0.9
    assert measured.macro_f1 > 0.9


def test_figures_of_a_report() -> None:
    truth = np.array([0, 0, 1, 2, 2, 2])
    predicted = np.array([0, 1, 1, 2, 2, 0])
    measured = report(truth, predicted, np.ones(6))
    assert measured.confusion == ((1, 1, 0), (0, 1, 0), (1, 0, 2))
    assert measured.accuracy == pytest.approx(4 / 6)
    assert measured.classes[2].precision == 1
    assert measured.classes[2].recall == pytest.approx(2 / 3)
    assert measured.macro_f1 == pytest.approx((1 / 2 + 2 / 3 + 4 / 5) / 3)
    assert measured.calibration_error == pytest.approx(2 / 6)
    assert "| positive | 1.000 | 0.667 | 0.800 | 3 |" in to_markdown(measured)


def test_a_class_nobody_predicts_scores_zero() -> None:
    measured = report(np.array([0, 1]), np.array([0, 0]), np.ones(2))
    assert measured.classes[1].precision == measured.classes[1].f1 == 0
    assert measured.classes[2].support == 0


def test_confidence_that_keeps_its_word_has_no_error() -> None:
    right = np.array([True, True, True, False])
    assert calibration_error(right, np.full(4, 0.75)) == 0


def test_the_confusion_matrix_is_a_picture() -> None:
    picture = confusion_png(((5, 1, 0), (0, 3, 2), (0, 0, 0)))
    assert picture.startswith(b"\x89PNG")
    assert confusion_png(((5, 1, 0), (0, 3, 2), (0, 0, 0))) == picture


def test_a_stored_model_predicts_bit_for_bit_the_same(model: SentimentModel) -> None:
    texts = [*made_up_reviews(100, seed=7)[0], None, "👎", "ausgezeichnet"]
    blob = to_bytes(model)
    loaded = from_bytes(blob)
    classes, confidence = predict(loaded, texts)
    expected_classes, expected_confidence = predict(model, texts)
    assert classes.tobytes() == expected_classes.tobytes()
    assert confidence.tobytes() == expected_confidence.tobytes()
    assert to_bytes(loaded) == blob
    assert loaded.notes == model.notes


def with_header(blob: bytes, **changes: object) -> bytes:
    """The archive with some header fields replaced."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(blob)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "header.json":
                content = json.dumps(json.loads(content) | changes).encode()
            new.writestr(name, content)
    return buffer.getvalue()


def test_a_newer_format_asks_for_an_upgrade(model: SentimentModel) -> None:
    blob = with_header(to_bytes(model), version=FORMAT_VERSION + 1)
    with pytest.raises(PipelineError, match=r"format version 2.*upgrade"):
        from_bytes(blob)


def test_another_kind_of_archive_is_told_apart(model: SentimentModel) -> None:
    with pytest.raises(PipelineError, match="no sentiment model"):
        from_bytes(with_header(to_bytes(model), format="something else"))


@settings(max_examples=25)
@given(position=st.floats(0, 1), flip=st.integers(1, 255))
def test_a_flipped_byte_is_noticed_or_harmless(
    model: SentimentModel, position: float, flip: int
) -> None:
    blob = bytearray(to_bytes(model))
    blob[int(position * (len(blob) - 1))] ^= flip
    try:
        survivor = from_bytes(bytes(blob))
    except PipelineError:
        return
    # Bytes that carry no data, such as a file date in the archive, may change.
    assert to_bytes(survivor) == to_bytes(model)


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.999])
def test_a_cut_off_model_is_damaged(model: SentimentModel, kept: float) -> None:
    blob = to_bytes(model)
    with pytest.raises(PipelineError, match="damaged"):
        from_bytes(blob[: int(kept if kept >= 1 else kept * len(blob))])


def test_arrays_that_do_not_fit_are_damage(model: SentimentModel) -> None:
    short = replace(model, weights=model.weights[:-1])
    with pytest.raises(PipelineError, match=r"damaged.*do not fit"):
        from_bytes(to_bytes(short))


def test_a_pickle_is_never_opened(model: SentimentModel, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "executed",)

    trap = io.BytesIO()
    np.save(trap, np.array([Trap()], dtype=object), allow_pickle=True)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(to_bytes(model))) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, trap.getvalue() if name == "shift.npy" else old.read(name))
    with pytest.raises(PipelineError, match="damaged"):
        from_bytes(buffer.getvalue())
    assert not (tmp_path / "executed").exists()


@pytest.mark.skipif(
    not SNIPPETS.exists(), reason="the rated movie snippets are not beside the repo"
)
def test_rated_movie_snippets_beat_the_larger_class() -> None:
    lines = SNIPPETS.read_text(encoding="latin-1").splitlines()[::7]
    rated = [line.split("\t", 2) for line in lines]
    labels = [1 + (float(valence) > 1) - (float(valence) < -1) for _, valence, _ in rated]
    measured = train([text for _, _, text in rated], labels).report
    assert measured.accuracy > 0.62
    assert measured.macro_f1 > 0.48
    assert measured.calibration_error < 0.12
