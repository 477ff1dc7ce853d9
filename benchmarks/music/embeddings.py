"""Artist vectors beside plain gensim with weights repeated in place, and the cost of neighbours.

    python -m benchmarks.music.embeddings

One artist of every user is hidden before training. Recall@10: how often it is among the ten artists
nearest, by cosine, to the weighted mean of the user's other artists' vectors, known ones left out.
Purity@10: the share of an artist's ten nearest that are of its genre. Chance and ceiling differ
between data sets, so compare within one.

Ours trains first; the peers then get at least as many processor seconds, in whole epochs. Seconds
are of the processor, so that a busy machine tilts nothing. Every figure is a mean over seeds of
data and training. The data are the project's sample, whose genres are hard clusters, and listening
drawn from a smooth space of tastes, whose genres are regions, once with a long tail of artists that
hardly anyone knows; defaults were chosen on all of them. Every contender learns the same artists,
those in at least five lists.
"""

import argparse
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from statistics import mean
from typing import Any, NamedTuple

import numpy as np
from gensim.models import Word2Vec
from numpy.typing import NDArray

from benchmarks.harness import markdown, peak_mib
from pipeline_assets.domains.music.assets import EmbeddingConfig
from pipeline_assets.learning.neighbours import top_neighbours
from pipeline_assets.learning.word2vec import Embeddings, WeightedList, Word2VecParameters, train
from pipeline_assets.sample.music_listeners import listeners, make_catalogue

DEFAULTS = Word2VecParameters()
MIN_COUNT = EmbeddingConfig().min_count
TOP = 10
SMOOTH_USERS = 2000


class Listening(NamedTuple):
    """Users' weighted lists and the genre of every artist."""

    lists: list[WeightedList]
    genres: dict[str, int]


Maker = Callable[[int], Listening]


class Split(NamedTuple):
    """Lists without the hidden artist and little known ones; the artist where one was hidden."""

    lists: list[WeightedList]
    hidden: list[str | None]


class Result(NamedTuple):
    """One training and what came of it."""

    epochs: float
    seconds: float
    recall: float
    purity: float


def planted(scale: float, seed: int) -> Listening:
    """The project's sample: every artist of one genre, every user fond of one or two."""
    catalogue = make_catalogue(scale, seed)
    everyone = listeners(catalogue, round(500 * scale), seed, "2026-01-01")
    lists = [_weighted(catalogue.names, user.artists, user.plays) for user in everyone]
    return Listening(lists, dict(zip(catalogue.names, catalogue.genre.tolist(), strict=True)))


def smooth(artists: int, skew: float, seed: int) -> Listening:
    """Artists and users are points on a sphere; nearness and popularity make lists and plays.

    Popularity falls with its rank to the power of the skew.
    """
    random = np.random.default_rng([seed, 9])
    places = _directions(random, artists)
    popularity = random.permutation(-skew * np.log(np.arange(artists) + 10.0))
    names = [f"artist {number}" for number in range(artists)]
    lists = []
    for taste in _directions(random, SMOOTH_USERS):
        length = int(np.clip(random.lognormal(3.2, 0.7), 2, 50))
        appeal = 6 * places @ taste + popularity + random.gumbel(size=artists)
        heard = np.argsort(-appeal)[:length]
        loudness = 2.5 * places[heard] @ taste + 1.2 * random.normal(size=length)
        plays = 1 + (random.lognormal(3.5, 1.0) * np.exp(loudness)).astype(np.int64)
        order = np.argsort(-plays, kind="stable")
        lists.append(_weighted(names, heard[order], plays[order]))
    centres = places[random.choice(artists, 20, replace=False)]
    genres = (places @ centres.T).argmax(axis=1).tolist()
    return Listening(lists, dict(zip(names, genres, strict=True)))


def _directions(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    points = random.normal(size=(count, 12))
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def _weighted(names: Sequence[str], artists: NDArray[Any], plays: NDArray[Any]) -> WeightedList:
    weights = np.floor(1.5 + np.log10(plays)).astype(int).tolist()
    return [(names[artist], weight) for artist, weight in zip(artists, weights, strict=True)]


def hide_one(lists: Sequence[WeightedList], seed: int) -> Split:
    """Take one artist at random out of every list of four or more, then the little known ones."""
    random = np.random.default_rng([seed, 8])
    kept: list[WeightedList] = []
    hidden: list[str | None] = []
    for pairs in lists:
        place = int(random.integers(len(pairs))) if len(pairs) > 3 else len(pairs)
        kept.append([*pairs[:place], *pairs[place + 1 :]])
        hidden.append(pairs[place][0] if place < len(pairs) else None)
    known = Counter(name for pairs in kept for name, _ in pairs)
    familiar = {name for name, lists in known.items() if lists >= MIN_COUNT}
    return Split([[pair for pair in pairs if pair[0] in familiar] for pairs in kept], hidden)


def recall(learnt: Embeddings, split: Split) -> float:
    """Share of hidden artists among the ten nearest to the user's weighted mean."""
    place = {name: number for number, name in enumerate(learnt.names)}
    unit = _unit(learnt.vectors)
    hits = []
    for pairs, hidden in zip(split.lists, split.hidden, strict=True):
        if hidden is None:
            continue
        weights = {place[name]: weight for name, weight in pairs if name in place}
        known = list(weights)
        taste = np.array(list(weights.values()), dtype=np.float32) @ learnt.vectors[known]
        closeness = unit @ taste
        closeness[known] = -np.inf
        target = place.get(hidden)
        found = known and target is not None and (closeness > closeness[target]).sum() < TOP
        hits.append(float(bool(found)))
    return mean(hits)


def purity(learnt: Embeddings, genres: dict[str, int]) -> float:
    """Share of the ten nearest artists that are of the artist's genre."""
    same = [
        genres[row["name"]] == genres[row["neighbour"]]
        for batch in top_neighbours(learnt.names, learnt.vectors, TOP)
        for row in batch.to_pylist()
    ]
    return mean(map(float, same))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths))


def ours(split: Split, parameters: Word2VecParameters) -> tuple[Embeddings, float]:
    """Vectors of the project's kernel, and processor seconds."""
    start = time.process_time()
    learnt = train(lambda: split.lists, parameters)
    return learnt, time.process_time() - start


def repeated_in_place(split: Split) -> list[list[str]]:
    """Every name as often as it weighs, one after the other: the naive way to honour weights."""
    return [[name for name, weight in pairs for _ in range(weight)] for pairs in split.lists]


def heard_once(split: Split) -> list[list[str]]:
    """Every name once: weights ignored."""
    return [[name for name, _ in pairs] for pairs in split.lists]


@dataclass(frozen=True)
class Peer:
    """gensim with one worker on sentences made in some way."""

    name: str
    sentences: Callable[[Split], list[list[str]]]
    settings: dict[str, Any]

    def run(self, split: Split, seed: int, seconds: float) -> tuple[Embeddings, float, int]:
        """Vectors after at least these processor seconds of training, the seconds, the epochs."""
        _, one_epoch = self.train(split, seed, 1)
        epochs = math.ceil(seconds / one_epoch)
        return *self.train(split, seed, epochs), epochs

    def train(self, split: Split, seed: int, epochs: int) -> tuple[Embeddings, float]:
        """Vectors, and processor seconds without those of counting words."""
        sentences = self.sentences(split)
        model = Word2Vec(sg=1, vector_size=50, min_count=1, workers=1, seed=seed, **self.settings)
        model.build_vocab(sentences)
        start = time.process_time()
        model.train(sentences, total_examples=len(sentences), epochs=epochs)
        seconds = time.process_time() - start
        return Embeddings(list(model.wv.index_to_key), model.wv.vectors), seconds


OURS = "this project"
SAME_SETTINGS = {
    "window": DEFAULTS.window,
    "negative": DEFAULTS.negative,
    "sample": DEFAULTS.sample,
    "ns_exponent": DEFAULTS.ns_exponent,
    "alpha": DEFAULTS.learning_rate,
    "min_alpha": DEFAULTS.final_learning_rate,
}
PEERS = (
    Peer("gensim, repeated in place", repeated_in_place, {}),
    Peer("gensim, repeated in place, our settings", repeated_in_place, SAME_SETTINGS),
    Peer("gensim, weights ignored, our settings", heard_once, SAME_SETTINGS),
)


def race(listening: Listening, seed: int) -> dict[str, Result]:
    """Every contender on the same split, in equal time."""
    split = hide_one(listening.lists, seed)
    parameters = replace(DEFAULTS, seed=seed + 1)
    learnt, seconds = ours(split, parameters)

    def judged(vectors: Embeddings, epochs: int, spent: float) -> Result:
        return Result(epochs, spent, recall(vectors, split), purity(vectors, listening.genres))

    results = {OURS: judged(learnt, parameters.epochs, seconds)}
    for peer in PEERS:
        vectors, spent, epochs = peer.run(split, seed + 1, seconds)
        results[peer.name] = judged(vectors, epochs, spent)
    return results


def self_pairs(sentences: Sequence[Sequence[str]], window: int) -> float:
    """Expected share of training pairs in which a name is its own context.

    A pair at distance d is used with probability (window - d + 1) / window.
    """
    same = total = 0.0
    for words in sentences:
        for distance in range(1, min(window, len(words) - 1) + 1):
            chance = (window - distance + 1) / window
            pairs = list(zip(words, words[distance:], strict=False))
            total += chance * len(pairs)
            same += chance * sum(one == other for one, other in pairs)
    return same / total


def quality(names: Sequence[str], makers: Sequence[Maker], seeds: int) -> str:
    """The table of recall and purity."""
    rows = []
    for name, make in zip(names, makers, strict=True):
        races = [race(make(seed), seed) for seed in range(seeds)]
        for contender in races[0]:
            results = [results[contender] for results in races]
            epochs, seconds, found, pure = (mean(column) for column in zip(*results, strict=True))
            rows.append(
                (name, contender, f"{epochs:.0f}", f"{seconds:.1f}", f"{found:.3f}", f"{pure:.3f}")
            )
    header = ("data", "contender", "epochs", "seconds", f"recall@{TOP}", f"purity@{TOP}")
    return markdown(header, rows)


def facts() -> Iterator[str]:
    """What the comparison rests on."""
    split = hide_one(planted(1, 0).lists, 0)
    share = self_pairs(repeated_in_place(split), DEFAULTS.window)
    yield f"Repeated in place, {share:.0%} of the training pairs are a name with itself; ours none."
    runs = {ours(split, DEFAULTS)[0].vectors.tobytes() for _ in range(2)}
    yield f"A second run gives {'the same' if len(runs) == 1 else 'OTHER'} vectors, bit for bit."


def neighbours(count: int) -> tuple[str, str, str, str]:
    """Top ten of so many artists: rows, seconds and peak memory, measured in this process."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(200, 50))
    vectors = centres[random.integers(0, 200, count)] + random.normal(size=(count, 50))
    names = [f"artist {number:07d}" for number in range(count)]
    before, start = peak_mib(), time.perf_counter()
    rows = sum(b.num_rows for b in top_neighbours(names, vectors.astype(np.float32), TOP))
    seconds = time.perf_counter() - start
    return f"{count:,}", f"{rows:,}", f"{seconds:.1f}", f"{peak_mib():.0f} ({before:.0f} before)"


def neighbours_table(counts: Sequence[int]) -> str:
    """The table of neighbours, a process for each size."""
    rows = []
    for count in counts:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            rows.append(pool.submit(neighbours, count).result())
    return markdown(("artists", "rows", "seconds", "peak MiB"), rows)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="Quality of embeddings, cost of neighbours")
    parser.add_argument("--scales", type=float, nargs="*", default=[1, 4])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--artists", type=int, nargs="*", default=[20_000, 100_000])
    arguments = parser.parse_args()
    names = [f"sample, scale {scale:g}" for scale in arguments.scales]
    makers: list[Maker] = [partial(planted, scale) for scale in arguments.scales]
    names += ["smooth tastes", "smooth tastes, long tail"]
    makers += [partial(smooth, 1500, 0.7), partial(smooth, 8000, 1.2)]
    print(quality(names, makers, arguments.seeds))
    print("\n" + "\n".join(facts()) + "\n")
    print(neighbours_table(arguments.artists))


if __name__ == "__main__":
    main()
