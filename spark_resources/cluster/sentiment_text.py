"""From texts in any language to terms that a linear model counts, in Spark SQL alone.

Three views, as the embedded engine has them: words and pairs of words, marked when a negator stands
before them in the same clause; runs of two and three characters, which need no spaces between
words; and words of known tone generalised to their list, alone and beside their neighbours.

The stages are part of the saved pipeline: an old model reads texts as it was taught to. Work per
text is bounded, and so is every regular expression: none repeats a group, which Java does by
recursion.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from spark_resources.cluster.sentiment_lexicon import ENGLISH, Lexicon, Tone
from spark_resources.cluster.sentiment_rules import EDGE
from spark_resources.cluster.spark_types import literal

TEXT: Final = "review_str"
VIEWS: Final = ("words", "characters", "tone")
RUNS: Final = (2, 3)
REACH: Final = 4
"""A negator turns so many tokens."""

_WORDS: Final = r"[\p{L}\p{N}][\p{L}\p{N}'’-]*|[:;=]-?[()|/]|<3|[!?]+|[.]{2,}|[^\s\p{L}\p{N}]"  # noqa: RUF001
_NEGATOR: Final = (
    "^(?:not|no|never|nor|none|nothing|nobody|neither|without|hardly|barely|scarcely|cannot"
    "|cant|dont|doesnt|didnt|isnt|wasnt|wont|lack|lacks|lacking|fail|fails|.*n['’]t)$"  # noqa: RUF001
)
_CLAUSE_END: Final = "^(?:[.!?;:,]+|but|however|yet|although|though|nevertheless)$"
_Node: TypeAlias = "dict[str, _Node]"


def stages(feature: Any, lexicon: Lexicon = ENGLISH) -> Iterator[Any]:  # noqa: ANN401 - Java's
    """Spark ML stages from a column of texts to a column of terms per view.

    Args:
        feature: Java's package ``org.apache.spark.ml.feature``.
        lexicon: The words of known tone.
    """
    for statement in (_normalised(), _tokens(), _read(lexicon), _marked()):
        yield feature.SQLTransformer().setStatement(statement)
    for name in ("word", "general", "tone"):
        yield _grams(feature, f"{name}_list", f"{name}_pairs", 2)
    for run in RUNS:
        yield _grams(feature, "letters", f"letters_{run}", run)
    yield feature.SQLTransformer().setStatement(_views())


def _grams(feature: Any, of: str, into: str, length: int) -> Any:  # noqa: ANN401 - Java's
    return feature.NGram().setN(length).setInputCol(of).setOutputCol(into)


def _normalised() -> str:
    plain = rf"trim(regexp_replace(coalesce({TEXT}, ''), {literal(chr(92) + 's+')}, ' '))"
    cut = (
        f"if(length(plain) <= {2 * EDGE}, plain, "
        f"concat(left(plain, {EDGE}), ' ', right(plain, {EDGE})))"
    )
    return f"SELECT *, lower({cut}) AS text FROM (SELECT *, {plain} AS plain FROM __THIS__)"  # noqa: S608


def _tokens() -> str:
    return (
        f"SELECT *, regexp_extract_all(text, {literal(_WORDS)}, 0) AS tokens, "  # noqa: S608
        "regexp_extract_all(concat(' ', text, ' '), '(?s).', 0) AS letters FROM __THIS__"
    )


def _read(lexicon: Lexicon) -> str:
    """Each token with whether it is turned and with the list it is in."""
    near = f"slice(tokens, greatest(place - {REACH - 1}, 1), least(place, {REACH}))"
    turned = (
        f"aggregate({near}, false, (turned, w) -> if(w rlike {literal(_NEGATOR)}, true, "
        f"if(w rlike {literal(_CLAUSE_END)}, false, turned)))"
    )
    token = f"struct(token AS word, {turned} AS turned, {_tone('token', lexicon)} AS tone)"
    return f"SELECT *, transform(tokens, (token, place) -> {token}) AS read FROM __THIS__"  # noqa: S608


def _tone(word: str, lexicon: Lexicon) -> str:
    """A whole word counts for more than its beginning."""
    entries = [[e for e in entry.split() if "_" not in e] for entry in lexicon.lists]
    whole = [[e for e in listed if not e.endswith("*")] for listed in entries]
    starts = [[e for e in listed if e.endswith("*")] for listed in entries]
    cases = [
        f"WHEN {word} rlike {literal(any_of(listed))} THEN '<{tone.name}>'"
        for kind in (whole, starts)
        for tone, listed in zip(Tone, kind, strict=True)
        if listed
    ]
    return f"CASE {' '.join(cases)} ELSE NULL END" if cases else "CAST(NULL AS STRING)"


def _marked() -> str:
    word = "if(r.turned, concat('not ', r.word), r.word)"
    tone = "if(r.turned, concat('not ', r.tone), r.tone)"
    general = f"if(r.tone IS NULL, r.word, {tone})"
    toned = "filter(read, r -> r.tone IS NOT NULL)"
    return (
        f"SELECT *, transform(read, r -> {word}) AS word_list, "  # noqa: S608
        f"transform(read, r -> {general}) AS general_list, "
        f"transform({toned}, r -> {tone}) AS tone_list FROM __THIS__"
    )


def _views() -> str:
    letters = ", ".join(f"letters_{run}" for run in RUNS)
    beside = "filter(general_pairs, pair -> contains(pair, '<'))"
    return (
        f"SELECT *, concat(word_list, word_pairs) AS words, concat({letters}) AS characters, "  # noqa: S608
        f"concat({beside}, tone_list, tone_pairs) AS tone FROM __THIS__"
    )


def any_of(entries: Iterable[str]) -> str:
    """A regular expression of Java's that matches any of some entries; ``*`` ends a beginning.

    The entries become a tree, so that a word is compared letter by letter and not entry by entry.

    >>> any_of(["good", "gold", "gloom*"])
    '^g(?:loom.*|o(?:ld|od))$'
    """
    root: _Node = {}
    for entry in entries:
        node = root
        for letter in entry.rstrip("*"):
            node = node.setdefault(letter, {})
        node["*" if entry.endswith("*") else ""] = {}
    return f"^{_pattern(root)}$"


def _pattern(node: _Node) -> str:
    letters = sorted(letter for letter in node if letter not in {"", "*"})
    ways = [re.escape(letter) + _pattern(node[letter]) for letter in letters]
    if "*" in node:
        ways.append(".*")
    elif "" in node:
        ways.append("")
    return ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"
