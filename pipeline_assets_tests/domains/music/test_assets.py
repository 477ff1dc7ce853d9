import csv
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from pydantic import ValidationError

from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.domains import music
from pipeline_assets.sample.music import write_music
from pipeline_assets_tests.domains.music.world import DAY, TOP_ARTISTS, USERS, World
from pipeline_assets_tests.truth.music import SnapshotTruth, snapshot_truth
from pipeline_assets_tests.updating import Updated

ASSETS = datasets_in(music).assets
Sample = tuple[World, SnapshotTruth, Updated]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    folder = tmp_path_factory.mktemp("sample")
    write_music(folder / "landing", scale=0.3, damage=0.1)
    truth = snapshot_truth(folder / "landing", DAY)
    with dg.DagsterInstance.ephemeral() as instance:
        world = World.below(folder, instance)
        yield world, truth, world.update()


@pytest.fixture
def world(tmp_path: Path, instance: dg.DagsterInstance) -> World:
    return World.below(tmp_path, instance)


def vectors(world: World, table: str, name: str) -> dict[str, list[float]]:
    return world.counts(f"select {name}, embedding from music.{table}")


def test_the_sample_is_made_without_a_failure(sample: Sample) -> None:
    _, _, updated = sample
    assert (updated.problems, updated.failures) == ((), ())
    assert len(updated.made) == len(ASSETS)


def test_a_second_update_has_nothing_to_do(sample: Sample) -> None:
    assert sample[0].update().made == ()


def test_the_tables_hold_the_planted_truth(sample: Sample) -> None:
    world, truth, _ = sample
    (users,) = world.query("select count(*), count(*) filter (country is null) from music.users")
    (plays,) = world.query("select count(*), sum(playcount) from music.user_top_artists")
    (listeners,) = world.query("select count(*) from music.user_embeddings")
    assert (*users, *plays, *listeners) == (
        truth.users,
        truth.null_countries,
        truth.user_top_artists,
        truth.total_playcount,
        truth.listeners,
    )


def test_artists_that_enough_listeners_know_have_vectors(sample: Sample) -> None:
    known = sample[0].counts(
        "select artist_name, count(*) from music.user_top_artists group by 1 having count(*) >= 5"
    )
    assert vectors(sample[0], "artist_embeddings", "artist_name").keys() == known.keys()


def test_the_rejected_rows_hold_the_planted_truth(sample: Sample) -> None:
    world, truth, _ = sample
    for table, reasons in (
        ("users", truth.rejected_users),
        ("user_top_artists", truth.rejected_user_top_artists),
    ):
        found = world.counts(
            "select reason, count(*) from music.rejected_rows "
            f"where source_uri like '%/{table}%' group by 1"
        )
        assert found == reasons


def test_the_rankings_hold_the_planted_truth(sample: Sample) -> None:
    world, truth, _ = sample
    for table in ("artist_rank_in_country", "country_rank_per_artist"):
        assert world.query(f"select count(*) from music.{table}") == [(truth.country_artists,)]
    leaders = world.counts(
        "select country, {'artist_name': artist_name, 'total_playcount': total_playcount} "
        "from music.artist_rank_in_country where rank = 1"
    )
    assert leaders == {country: asdict(leader) for country, leader in truth.leaders.items()}


def test_a_rejected_row_leads_to_the_record_in_its_file(sample: Sample) -> None:
    world = sample[0]
    for uri, number, raw in world.query(
        "select source_uri, row_number, raw from music.rejected_rows where reason != 'field_count'"
    ):
        with Path(uri).open(encoding="utf-8-sig", newline="") as stream:
            record = list(csv.reader(stream))[number]
        assert raw == ",".join(record)


def test_similar_artists_are_ten_others_the_nearest_first(sample: Sample) -> None:
    world = sample[0]
    rows = world.query(
        "select artist_name, list(rank order by rank), list(neighbour), "
        "list(similarity order by rank) from music.similar_artists group by 1"
    )
    assert len(rows) == len(vectors(world, "artist_embeddings", "artist_name"))
    for artist, ranks, neighbours, similarities in rows:
        assert ranks == list(range(1, 11))
        assert artist not in neighbours
        assert similarities == sorted(similarities, reverse=True)


def test_neighbours_share_their_genre_far_more_often_than_chance(sample: Sample) -> None:
    world = sample[0]
    path = Path(world.settings.landing_uri, "music", "genres.csv")
    with path.open(encoding="utf-8", newline="") as stream:
        genres = {row["artist_name"]: row["genre"] for row in csv.DictReader(stream)}
    pairs = world.query("from music.similar_artists")
    same = np.mean([genres[artist] == genres[neighbour] for artist, neighbour, *_ in pairs])
    heard = [genres[name] for name in vectors(world, "artist_embeddings", "artist_name")]
    _, sizes = np.unique(heard, return_counts=True)
    chance = np.sum((sizes / len(heard)) ** 2)
    assert same > 2.5 * chance


def test_a_listener_is_the_weighted_mean_of_their_artists(sample: Sample) -> None:
    world = sample[0]
    artists = vectors(world, "artist_embeddings", "artist_name")
    found = vectors(world, "user_embeddings", "user_id")
    lists = world.query(
        "select user_id, list((artist_name, playcount)) from music.user_top_artists group by 1"
    )
    assert found.keys() == {user for user, _ in lists}
    for user, heard in lists:
        known = [(artists[name], plays) for name, plays in heard if name in artists]
        weights = [np.floor(1 + np.log10(plays) + 0.5) for _, plays in known]
        expected = np.average([vector for vector, _ in known], axis=0, weights=weights)
        np.testing.assert_allclose(found[user], expected, rtol=1e-5, atol=1e-7)


def test_every_page_shows_its_picture(sample: Sample) -> None:
    world = sample[0]
    for name, plot in (
        ("artist_rank_in_country", "top_artists"),
        ("artist_embeddings", "artist_map"),
    ):
        event = world.instance.get_latest_materialization_event(dg.AssetKey(["music", name]))
        assert event
        assert event.asset_materialization
        picture = event.asset_materialization.metadata[plot].value
        assert str(picture).startswith(f"![{plot}](data:image/png;base64,")


def test_run_config_decides_the_length_of_vectors_and_who_gets_one(world: World) -> None:
    world.land("users.csv", USERS + "a,Chad,1\nb,Chad,2\n")
    rows = [f"{user},{n},Artist {n},{10**n},\n" for user in "ab" for n in range(1, 9)]
    world.land("user_top_artists.csv", TOP_ARTISTS + "".join(rows) + "a,9,Hermit,5,\n")
    world.materialize(
        *("raw_users", "raw_user_top_artists", "users", "user_top_artists"),
        *("artist_embeddings", "user_embeddings"),
        artist_embeddings={"vector_size": 23, "epochs": 1, "min_count": 2},
    )
    for table, name in (("artist_embeddings", "artist_name"), ("user_embeddings", "user_id")):
        assert {len(vector) for vector in vectors(world, table, name).values()} == {23}
    heard = {f"Artist {n}" for n in range(1, 9)}
    assert vectors(world, "artist_embeddings", "artist_name").keys() == heard


def test_who_has_no_context_has_no_vector_and_is_counted(world: World) -> None:
    world.land("users.csv", USERS + "".join(f"u{n},Chad,1\n" for n in range(6)))
    together = "".join(
        f"u{n},{rank},{name},9,\n" for n in range(3) for rank, name in ((1, "A"), (2, "B"))
    )
    alone = "".join(f"u{n},1,Hermit,9,\n" for n in range(3, 6))
    world.land("user_top_artists.csv", TOP_ARTISTS + together + alone)
    result = world.materialize(
        *("raw_users", "raw_user_top_artists", "users", "user_top_artists"),
        *("artist_embeddings", "user_embeddings", "similar_artists"),
        artist_embeddings={"min_count": 2, "epochs": 1},
    )
    assert set(vectors(world, "artist_embeddings", "artist_name")) == {"A", "B"}
    assert set(vectors(world, "user_embeddings", "user_id")) == {"u0", "u1", "u2"}
    failed = {
        check.check_name: check.metadata["failed_rows"].value
        for check in result.get_asset_check_evaluations()
        if not check.passed
    }
    assert failed == {"artists_have_a_context": 1, "listeners_have_a_vector": 3}
    cosine = "list_cosine_similarity(a.embedding, b.embedding)"
    for left in ("artist_embeddings", "user_embeddings"):
        for right in ("artist_embeddings", "user_embeddings"):
            (count,) = world.query(
                f"select count(*) from music.{left} a, music.{right} b where isnan({cosine})"
            )
            assert count == (0,)


@pytest.mark.parametrize(
    ("asset", "config", "told"),
    [
        ("artist_rank_in_country", {"min_listeners": 0}, "greater than or equal to 1"),
        ("artist_embeddings", {"vector_size": 1}, "greater than or equal to 2"),
        ("artist_embeddings", {"seed": 2**32}, "less than 4294967296"),
        ("artist_embeddings", {"dimensions": 7}, 'Received unexpected config entry "dimensions"'),
        ("similar_artists", {"neighbours": "many"}, 'not valid for expected type "Int"'),
    ],
)
def test_run_config_out_of_bounds_is_named(
    sample: Sample, asset: str, config: dict[str, Any], told: str
) -> None:
    with pytest.raises((dg.DagsterInvalidConfigError, ValidationError)) as caught:
        sample[0].materialize(asset, **{asset: config})
    assert next(iter(config)) in str(caught.value)
    assert told in str(caught.value)
