"""From texts in any language to the numbers a linear sentiment model reads.

Four views of a text, each catching what the others miss:

- **words**: single words and pairs, marked when a negator stands shortly before ("not [good]");
- **characters**: all runs of 2 to 5 code points, which see through inflection and misspelling and
  need no spaces between words, so Chinese or Thai work as well;
- **tone**: words of known tone generalised to their list (`sentiment_lexicon`) beside their
  neighbours, so "too <praise>" is learned once for all praise, and again for what follows a "but";
- **cues**: some twenty counts and balances of the above.

The first three are counted in hashed buckets: no vocabulary grows in memory, however many texts
there are. Everything after the tokeniser is array arithmetic over a whole batch (n-grams are
polynomial hashes over shifted arrays), several times faster than building n-gram strings.

Work per text is bounded: of a text longer than 2 x `EDGE` characters only the first and the last
`EDGE` are read.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from spark_resources.cluster.sentiment_lexicon import NO_TONE, Lexicon, Tone
from spark_resources.cluster.sentiment_rules import EDGE

BUCKETS: Final = 1 << 22
NEGATION_REACH: Final = 4
CHARACTER_RUNS: Final = (2, 5)
BATCH_TEXTS: Final = 4_096
BATCH_CHARACTERS: Final = 250_000
CUE_COUNT: Final = 18

_TOKEN: Final = re.compile(r"[:;=]-?[()|/]|<3|[^\W_]+(?:['\-][^\W_]+)*|[!?]+|\.{2,}|[^\w\s]")
_NEGATOR: Final = re.compile(
    r"not|no|never|nor|none|nothing|nobody|neither|without|hardly|barely|scarcely|cannot"
    r"|(?:ca|do|does|did|is|was|wo)nt|lack(?:s|ing)?|fails?|.*n't"
)
_CONTRASTS: Final = frozenset({"but", "however", "yet", "although", "though", "nevertheless"})
_CLAUSE_ENDS: Final = frozenset(".!?;:,")
_SPELLING: Final = {ord("\N{RIGHT SINGLE QUOTATION MARK}"): "'", 0xFE0F: None}
_PRIME: Final = np.uint64(0x9E3779B97F4A7C15)
_PRAISE_OF_TONE: Final = np.array([2.0, 1.0, -1.0, -2.0, 0.0, 0.0, 0.0])
_NEGATION_FLIP: Final = -0.5

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]
_Grams = tuple[Rows, Hashes]


class _Kind(IntEnum):
    WORD = 0
    NEGATOR = 1
    CLAUSE_END = 2
    CONTRAST = 3


@dataclass(frozen=True)
class TextFeatures:
    """The four views of n texts.

    Attributes:
        words: counts, sparse (n, `BUCKETS`) float32.
        characters: counts, sparse (n, `BUCKETS`) float32.
        tone: counts, sparse (n, `BUCKETS`) float32.
        cues: dense (n, `CUE_COUNT`) float32.
    """

    words: sparse.csr_matrix
    characters: sparse.csr_matrix
    tone: sparse.csr_matrix
    cues: NDArray[np.float32]

    def rows(self, kept: Flags) -> "TextFeatures":
        """The features of the flagged texts."""
        words, characters, tone = self.words[kept], self.characters[kept], self.tone[kept]
        return TextFeatures(words, characters, tone, self.cues[kept])


@dataclass(frozen=True)
class _Tokens:
    """All tokens of a batch in reading order; `row` is the number of the text they stand in."""

    texts: int
    row: Rows
    word: Hashes
    kind: Rows
    tone: Rows
    negated: Flags


def batches(texts: Iterable[str | None]) -> Iterator[list[str]]:
    """Normalised texts in groups of at most `BATCH_TEXTS`, about `BATCH_CHARACTERS`."""
    batch: list[str] = []
    size = 0
    for text in map(normalise, texts):
        batch.append(text)
        size += len(text)
        if len(batch) == BATCH_TEXTS or size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def normalise(text: str | None) -> str:
    """Compatible characters unified (NFKC), case folded, white space single, long texts cut."""
    if text is None:
        return ""
    kept = text if len(text) <= 2 * EDGE else f"{text[:EDGE]} {text[-EDGE:]}"
    folded = unicodedata.normalize("NFKC", kept).casefold().translate(_SPELLING)
    # NFKC may lengthen a character eighteen-fold, so the bound holds for what comes out as well.
    return " ".join(folded.split())[: 2 * EDGE + 1]


def text_features(texts: Sequence[str], lexicon: Lexicon) -> TextFeatures:
    """The views of one batch of normalised texts."""
    tokens = _tokenise(texts, lexicon)
    return TextFeatures(
        words=_counts(_word_grams(tokens), len(texts)),
        characters=_counts(_character_grams(texts), len(texts)),
        tone=_counts(_tone_grams(tokens), len(texts)),
        cues=_cues(texts, tokens),
    )


def stack(parts: Sequence[TextFeatures]) -> TextFeatures:
    """The features of consecutive batches as one."""
    return TextFeatures(
        words=sparse.vstack([part.words for part in parts], format="csr"),
        characters=sparse.vstack([part.characters for part in parts], format="csr"),
        tone=sparse.vstack([part.tone for part in parts], format="csr"),
        cues=np.concatenate([part.cues for part in parts]),
    )


class _Vocabulary(dict[str, int]):
    """Numbers the distinct tokens of a batch in order of appearance."""

    def __missing__(self, token: str) -> int:
        self[token] = number = len(self)
        return number


def _tokenise(texts: Sequence[str], lexicon: Lexicon) -> _Tokens:
    vocabulary = _Vocabulary()
    numbers = [[vocabulary[token] for token in _TOKEN.findall(text)] for text in texts]
    row = np.repeat(np.arange(len(texts)), [len(found) for found in numbers])
    token = np.fromiter((number for found in numbers for number in found), np.int64, len(row))
    kind = np.fromiter(map(_kind, vocabulary), np.int64, len(vocabulary))[token]
    tone = np.fromiter(map(lexicon.tone, vocabulary), np.int64, len(vocabulary))[token]
    phrase = _phrases(token, row, vocabulary, lexicon)
    in_phrase = phrase != NO_TONE
    return _Tokens(
        texts=len(texts),
        row=row,
        word=np.fromiter(map(_fingerprint, vocabulary), np.uint64, len(vocabulary))[token],
        kind=kind,
        tone=np.where(in_phrase, phrase, tone),
        # "won't regret" is praise as a whole: its own "won't" must not turn it round.
        negated=_negated(row, kind) & ~in_phrase,
    )


def _kind(token: str) -> int:
    if _NEGATOR.fullmatch(token):
        return _Kind.NEGATOR
    if token in _CONTRASTS:
        return _Kind.CONTRAST
    return _Kind.CLAUSE_END if _CLAUSE_ENDS.issuperset(token) else _Kind.WORD


def _fingerprint(token: str) -> int:
    digest = blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _phrases(token: Rows, row: Rows, vocabulary: _Vocabulary, lexicon: Lexicon) -> Rows:
    """The tone of the two-word phrase that ends at each token."""
    tone = np.full(len(token), NO_TONE)
    pair = token[:-1] * len(vocabulary) + token[1:]
    same_text = row[:-1] == row[1:]
    for (first, second), value in lexicon.phrases.items():
        if first in vocabulary and second in vocabulary:
            code = vocabulary[first] * len(vocabulary) + vocabulary[second]
            tone[1:][(pair == code) & same_text] = value
    return tone


def _negated(row: Rows, kind: Rows) -> Flags:
    """Whether a negator stands at most `NEGATION_REACH` tokens before, in the same clause."""
    if not len(row):
        return np.zeros(0, np.bool_)
    position = np.arange(len(row))
    negator = np.maximum.accumulate(np.where(kind == _Kind.NEGATOR, position, -1))
    before = np.concatenate(([-1], negator[:-1]))
    ends = (kind == _Kind.CLAUSE_END) | (kind == _Kind.CONTRAST)
    clause = np.maximum.accumulate(np.where(ends, position, -1))
    near = (before >= 0) & (position - before <= NEGATION_REACH) & (before > clause)
    flags: Flags = near & (row[before] == row)
    return flags


def _mix(hashes: Hashes) -> Hashes:
    """Spread every input bit over all 64: the finaliser of SplitMix64 (Steele et al. 2014)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


def _salted(hashes: Hashes, salt: int) -> Hashes:
    return _mix(hashes + np.uint64(salt))


def _counts(grams: Sequence[_Grams], texts: int) -> sparse.csr_matrix:
    row = np.concatenate([rows for rows, _ in grams]).astype(np.int32)
    bucket = np.concatenate([hashes for _, hashes in grams]) & np.uint64(BUCKETS - 1)
    ones = np.ones(len(row), np.float32)
    return sparse.csr_matrix((ones, (row, bucket.astype(np.int32))), shape=(texts, BUCKETS))


def _pairs(row: Rows, first: Hashes, second: Hashes, salt: int, kept: Flags) -> _Grams:
    """Each kept token of `first` hashed with its right neighbour of `second`, within one text."""
    taken = (row[:-1] == row[1:]) & kept
    joined = first[:-1][taken] * _PRIME + second[1:][taken]
    return row[:-1][taken], _salted(joined, salt)


def _word_grams(tokens: _Tokens) -> list[_Grams]:
    words = np.where(tokens.negated, _salted(tokens.word, 1), tokens.word)
    every = np.ones(max(len(words) - 1, 0), np.bool_)
    return [(tokens.row, words), _pairs(tokens.row, words, words, 2, every)]


def _character_grams(texts: Sequence[str]) -> list[_Grams]:
    padded = [f" {text} " if text else "" for text in texts]
    encoded = "".join(padded).encode("utf-32-le", "surrogatepass")
    points = np.frombuffer(encoded, np.uint32).astype(np.uint64) + np.uint64(1)
    row = np.repeat(np.arange(len(texts)), [len(text) for text in padded])
    shortest, longest = CHARACTER_RUNS
    grams, hashes = [], points
    for length in range(2, longest + 1):
        hashes = hashes[:-1] * _PRIME + points[length - 1 :]
        same_text = row[: len(hashes)] == row[length - 1 :]
        if length >= shortest:
            grams.append((row[: len(hashes)][same_text], _salted(hashes[same_text], length)))
    return grams


def _tone_grams(tokens: _Tokens) -> list[_Grams]:
    toned = tokens.tone != NO_TONE
    codes = _mix((tokens.tone + 1 + 10 * tokens.negated).astype(np.uint64))
    general = np.where(toned, codes, tokens.word)
    row, code = tokens.row[toned], codes[toned]
    side = _contrast_side(tokens)[toned]
    sided = _salted(code * _PRIME + side.astype(np.uint64), 7)
    return [
        (row, _salted(code, 3)),
        (row[side > 0], sided[side > 0]),
        _pairs(row, code, code, 4, np.ones(max(len(row) - 1, 0), np.bool_)),
        _pairs(tokens.row, tokens.word, general, 5, toned[1:]),
        _pairs(tokens.row, general, tokens.word, 6, toned[:-1]),
    ]


def _contrast_side(tokens: _Tokens) -> Rows:
    """0 in a text without a contrast word, else 1 up to the last one and 2 after it."""
    position = np.arange(len(tokens.row))
    last = np.full(tokens.texts, -1)
    np.maximum.at(last, tokens.row, np.where(tokens.kind == _Kind.CONTRAST, position, -1))
    last_of_text = last[tokens.row]
    return np.where(last_of_text < 0, 0, np.where(position > last_of_text, 2, 1))


def _cues(texts: Sequence[str], tokens: _Tokens) -> NDArray[np.float32]:
    counts = [_count(tokens, tokens.tone == tone) for tone in Tone]
    turned = [_count(tokens, (tokens.tone == tone) & tokens.negated) for tone in list(Tone)[:4]]
    marks = [np.array([text.count(mark) for text in texts], np.float64) for mark in "!?"]
    negators = _count(tokens, tokens.kind == _Kind.NEGATOR)
    plain = [count - turn for count, turn in zip(counts[:4], turned, strict=True)]
    logs = np.log1p([*plain, *counts[4:], *turned, *marks, negators])
    cues: NDArray[np.float32] = np.vstack([logs, _balances(tokens)]).T.astype(np.float32)
    return cues


def _balances(tokens: _Tokens) -> NDArray[np.float64]:
    """Praise minus complaint: as a sum, relative, after a contrast; and whether they cancel out."""
    praise = _PRAISE_OF_TONE[tokens.tone] * np.where(tokens.negated, _NEGATION_FLIP, 1.0)
    side = _contrast_side(tokens)
    total = np.bincount(tokens.row, praise, tokens.texts)
    weight = np.bincount(tokens.row, np.abs(praise), tokens.texts)
    late = np.bincount(tokens.row, praise * (side == 2), tokens.texts)
    contrast = np.bincount(tokens.row, side > 0, tokens.texts) > 0
    balances: NDArray[np.float64] = np.array(
        [np.tanh(total / 2), total / (1 + weight), np.tanh(late / 2), contrast, total == 0]
    )
    return balances


def _count(tokens: _Tokens, flags: Flags) -> NDArray[np.float64]:
    return np.bincount(tokens.row[flags], minlength=tokens.texts).astype(np.float64)
