"""What a text says, as sums of weights: the sentiment model as expressions on tables.

A text is taken apart into terms of four views: words, pairs of neighbouring words, the beginnings
of words, and words that follow a negator. The model is a table of weights: each known term speaks
for or against each class. A view's weights are added and divided by the square root of the number
of its known terms, so that a long text is not surer than a short one. The views together are the
text's logits; their softmax is the probability of each class. The model's own offset is a view like
the others: its only term is the empty one, which every text has.

All engines give the same answers, to the last digit. Weights are whole millionths, so it does not
matter in which order an engine adds them, and a class is chosen by whole numbers. Whatever engines
disagree on is left out: lower case is a fixed table of letters, and patterns name their characters
by code, because versions of Unicode differ; a replacement never refers to a part of its pattern.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.domains.rentals.sentiment_words import WORD_LISTS

NEGATIVE, NEUTRAL, POSITIVE = range(3)
CLASSES: Final = ("negative", "neutral", "positive")
VIEWS: Final = ("words", "pairs", "beginnings", "negated", "contrasted")
BEGINNINGS: Final = (4, 6)
MILLIONTHS: Final = 1_000_000
EDGE: Final = 5_000
"""Of a text longer than twice this only the first and the last so many characters are read."""

_CAPITALS: Final = "".join(
    letter
    for start, end in ((0x41, 0x5A), (0xC0, 0xDE), (0x391, 0x3A9), (0x400, 0x42F))
    for letter in map(chr, range(start, end + 1))
    if letter.lower() != letter
)
_UPPER: Final = _CAPITALS + "\N{RIGHT SINGLE QUOTATION MARK}"
_LOWER: Final = _CAPITALS.lower() + "'"

# Words of alphabets; marks; smileys; and one by one what is written without spaces, and pictures.
_WORD: Final = (
    "[a-z0-9\u00c0-\u0dff]+(?:['-][a-z0-9\u00c0-\u0dff]+)*|[!?.,;:]|[:;=]-?[()]"
    "|[\u0e00-\u1fff\u2070-\u2fff\u3040-\ufdff\ufe10-\ufffd\U00010000-\U0010ffff]"
)
_NEGATED: Final = (
    " (?:not|no|never|without|hardly|barely|scarcely|neither|nor|none|nothing|nobody|cannot|cant"
    "|dont|doesnt|didnt|isnt|wasnt|wont|lack|lacks|lacking|fails?|[a-z]+n't)(?: [a-z][^ ]*){1,3}"
)
_CONTRASTED: Final = ".* but( .*)"
_PAIR: Final = "[^ ]+ [^ ]+"


@ibis.udf.scalar.builtin(name="regexp_extract_all")  # type: ignore[untyped-decorator]
def _extract_all(text: str, pattern: str, group: int) -> list[str]:
    raise NotImplementedError  # the engines' own function


def with_views(reviews: ir.Table) -> ir.Table:
    """Reviews with a column of terms for each view of `review_str`.

    A term belongs to one view only, whatever the text. Each step is a table of its own, so that no
    engine computes it again for everything that is built on it.
    """
    read = reviews.mutate(words=_found(_lower(_cut(reviews.review_str)), _WORD))
    lines = read.mutate(line=ibis.literal(" ").concat(_joined(read.words, " ")))
    line = lines.line
    parts = lines.mutate(
        rest=line.re_replace("^ [^ ]+", ""),
        beginnings=ibis.array([_found(line, f" [^ ]{{{n}}}") for n in BEGINNINGS]),
        negated=_joined(_found(line, _NEGATED), "").replace(" ", "~"),
        contrasted=line.re_extract(_CONTRASTED, 1).replace(" ", ">"),
    )
    return parts.select(
        *reviews.columns,
        "words",
        pairs=_found(parts.line, _PAIR).concat(_found(parts.rest, _PAIR)),
        beginnings=parts.beginnings.flatten(),
        negated=_found(parts.negated, "~[^~]+"),
        contrasted=_found(parts.contrasted, ">[^>]+"),
    )


def word_groups() -> Mapping[str, Mapping[str, list[str]]]:
    """The words of known tone by view and list, as the terms that :func:`with_views` finds."""
    entries = {name: text.split() for name, text in WORD_LISTS.items()}
    words = {name: [word for word in it if "_" not in word] for name, it in entries.items()}
    pairs = {
        name: [pair.replace("_", " ") for pair in it if "_" in pair] for name, it in entries.items()
    }
    marked = {
        mark: {name: [mark + word for word in it] for name, it in words.items()} for mark in "~>"
    }
    return {
        "words": words,
        "pairs": pairs,
        "beginnings": {name: _beginnings(it) for name, it in words.items()},
        "negated": marked["~"],
        "contrasted": marked[">"],
    }


def _beginnings(entries: Iterable[str]) -> list[str]:
    """The longest beginning that is a term of its own, of every entry that has one."""
    letters = (entry.removesuffix("*") for entry in entries)
    found = {
        f" {word[: max(length for length in BEGINNINGS if length <= len(word))]}"
        for word in letters
        if len(word) >= min(BEGINNINGS)
    }
    return sorted(found)


def scored_reviews(movie_reviews: ir.Table) -> ir.Table:
    """Reviews with a score: their class, and whether they are kept back to report on.

    Three of sixteen are; the text alone decides it, so that copies are on the same side.
    """
    scored = movie_reviews.filter(movie_reviews.score.notnull())
    sentiment = ibis.cases(
        (scored.score <= 2, NEGATIVE), (scored.score == 3, NEUTRAL), else_=POSITIVE
    )
    return scored.select(
        "review_str",
        sentiment=sentiment.cast("int32"),
        held_out=scored.review_str.hexdigest("md5").left(1).isin(["0", "1", "2"]),
    )


def classified(reviews: ir.Table, sentiment_model: ir.Table) -> ir.Table:
    """Reviews with the class of their text and the probability that it is right.

    The answer is a function of the text, so copies of a text are read once and all get it.

    Args:
        reviews: ``review_str`` and whatever else.
        sentiment_model: ``view``, ``term``, ``sentiment`` and ``weight``.

    Returns:
        The columns of the reviews, with ``sentiment``, ``positive_review`` and ``confidence``.
    """
    texts = _numbered(reviews)
    logits = _logits(texts, sentiment_model)
    answers = texts.join(logits, ["bucket", "number"]).select(
        "review_str", sentiment=_class(logits), confidence=_confidence(logits)
    )
    joined = reviews.join(answers, "review_str")
    return joined.select(
        *reviews.columns,
        sentiment=joined.sentiment,
        positive_review=joined.sentiment == POSITIVE,
        confidence=joined.confidence,
    )


def _numbered(reviews: ir.Table) -> ir.Table:
    """The distinct texts, each with a bucket and a number of its own in it.

    Numbers are added up much faster than texts; buckets let many workers count at once.
    """
    texts = reviews.select("review_str").distinct()
    bucketed = texts.mutate(bucket=texts.review_str.hexdigest("md5").left(2))
    place = ibis.row_number().over(group_by="bucket", order_by="review_str")
    return bucketed.mutate(number=place)


def _logits(texts: ir.Table, sentiment_model: ir.Table) -> ir.Table:
    """A row per numbered text with the logit of each class in whole millionths."""
    parts = with_views(texts)
    every = ibis.array([""]).concat(*(parts[view] for view in VIEWS))
    terms = parts.select("bucket", "number", term=every.unnest())
    weights = sentiment_model.group_by("view", "term").aggregate(
        **{name: _of_class(sentiment_model, label) for label, name in enumerate(CLASSES)}
    )
    spoken = terms.join(weights, "term")
    by_view = spoken.group_by("bucket", "number", "view").aggregate(
        terms=spoken.count(), **{name: spoken[name].sum().cast("int64") for name in CLASSES}
    )
    root = by_view.terms.cast("float64").sqrt()
    scaled = {name: (by_view[name].cast("float64") / root + 0.5).floor() for name in CLASSES}
    shares = by_view.select("bucket", "number", **scaled)
    return shares.group_by("bucket", "number").aggregate(
        **{name: shares[name].sum().cast("int64") for name in CLASSES}
    )


def _of_class(sentiment_model: ir.Table, label: int) -> ir.IntegerScalar:
    chosen = ibis.ifelse(sentiment_model.sentiment == label, sentiment_model.weight, 0)
    summed: ir.IntegerScalar = chosen.sum().cast("int64")
    return summed


def _class(logits: ir.Table) -> ir.IntegerValue:
    """The class with the largest logit; of equal ones the first."""
    most = _largest(logits)
    found: ir.IntegerValue = ibis.cases(
        (logits.negative == most, NEGATIVE), (logits.neutral == most, NEUTRAL), else_=POSITIVE
    ).cast("int32")
    return found


def _confidence(logits: ir.Table) -> ir.FloatingValue:
    """The softmax of the largest logit, to four digits: engines differ in the last of sixteen."""
    most = _largest(logits)
    powers = [((logits[name] - most) / float(MILLIONTHS)).exp() for name in CLASSES]
    share = 1.0 / (powers[0] + powers[1] + powers[2])
    rounded: ir.FloatingValue = (share * 10_000.0 + 0.5).floor().cast("float64") / 10_000.0
    return rounded


def _largest(logits: ir.Table) -> ir.IntegerValue:
    return ibis.greatest(*(logits[name] for name in CLASSES))


def _found(text: ir.StringValue, pattern: str) -> ir.ArrayValue:
    found: ir.ArrayValue = _extract_all(text, pattern, 0)
    return found


def _cut(text: ir.StringValue) -> ir.StringValue:
    both = text.left(EDGE).concat(" ", text.right(EDGE))
    cut: ir.StringValue = ibis.ifelse(text.length() <= 2 * EDGE, text, both)
    return cut


def _lower(text: ir.StringValue) -> ir.StringValue:
    """The engines' own lower case where they agree; the table is forty times slower."""
    beyond_ascii = text.re_search("[^\\x00-\\x7f]")
    low: ir.StringValue = ibis.ifelse(beyond_ascii, text.translate(_UPPER, _LOWER), text.lower())
    return low


def _joined(words: ir.ArrayValue, mark: str) -> ir.StringValue:
    """Words as one text; of no words an empty one, which is null on some engines."""
    text: ir.StringValue = words.join(mark).fill_null("")
    return text


LEARNING: Final[Mapping[str, Any]] = {
    "document": "review_str",
    "label": "sentiment",
    "classes": list(CLASSES),
    "views": list(VIEWS),
    "groups": word_groups(),
    "group_weight": 1.2,
    "margin": 0.1,
    "smoothing": 0.3,
    "most_documents": 50_000,
}
"""How the model learns, but for the seed; measured in benchmarks/rentals/sentiment.py."""
