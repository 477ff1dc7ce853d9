import ibis
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.domains.music.assets import user_embeddings
from pipeline_assets.domains.music.contracts import ArtistEmbeddings, UserTopArtists
from pipeline_assets.domains.music.vectors import BLOCK

DAY = "2026-01-01"
ARTISTS = "ABCDEF"
plays = st.dictionaries(
    st.tuples(st.sampled_from("uvw"), st.sampled_from(ARTISTS)), st.integers(1, 10**6)
)


def means(
    plays: dict[tuple[str, str], int], vectors: dict[str, list[float]]
) -> dict[str, list[float]]:
    top_artists = [
        {"user_id": u, "rank": 1, "artist_name": a, "playcount": n, "mbid": None, "snapshot": DAY}
        for (u, a), n in plays.items()
    ]
    artists = [{"artist_name": a, "embedding": v, "snapshot": DAY} for a, v in vectors.items()]
    table = user_embeddings(
        ibis.memtable(top_artists, schema=TableContract.of(UserTopArtists).schema),
        ibis.memtable(artists, schema=TableContract.of(ArtistEmbeddings).schema),
    )
    return {row["user_id"]: row["embedding"] for row in table.to_pyarrow().to_pylist()}


@settings(max_examples=20)
@given(plays, st.sampled_from([2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK]), st.integers(0, 9))
def test_a_listener_is_the_weighted_mean_of_vectors_of_any_length(
    plays: dict[tuple[str, str], int], size: int, seed: int
) -> None:
    drawn = np.random.default_rng(seed).normal(size=(len(ARTISTS), size)).astype(np.float32)
    vectors = dict(zip(ARTISTS, drawn.tolist(), strict=True))
    found = means(plays, vectors)
    assert found.keys() == {user for user, _ in plays}
    for user, embedding in found.items():
        heard = [(artist, count) for (who, artist), count in plays.items() if who == user]
        weights = [np.floor(1 + np.log10(count) + 0.5) for _, count in heard]
        expected = np.average([vectors[artist] for artist, _ in heard], axis=0, weights=weights)
        np.testing.assert_allclose(embedding, expected, rtol=1e-5, atol=1e-7)


def test_artists_without_a_vector_do_not_count() -> None:
    plays = {("u", "A"): 10, ("u", "B"): 1000, ("v", "B"): 1}
    assert means(plays, {"A": [1.0, 2.0]}) == {"u": [1.0, 2.0]}


def test_listeners_whose_artists_cancel_out_have_no_vector() -> None:
    plays = {("u", "A"): 10, ("u", "B"): 10, ("v", "A"): 1}
    assert means(plays, {"A": [1.0, -2.0], "B": [-1.0, 2.0]}) == {"v": [1.0, -2.0]}


@pytest.mark.parametrize(("playcount", "weight"), [(1, 1), (3, 1), (4, 2), (31, 2), (32, 3)])
def test_a_weight_is_rounded_half_up(playcount: int, weight: int) -> None:
    (mean,) = means({("u", "A"): 1, ("u", "B"): playcount}, {"A": [0.0], "B": [1.0]}).values()
    assert mean == [np.float32(weight / (weight + 1))]
