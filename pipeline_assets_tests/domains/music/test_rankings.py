from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.types as ir
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.domains.music.assets import (
    RankingConfig,
    artist_rank_in_country,
    country_rank_per_artist,
)
from pipeline_assets.domains.music.contracts import Users, UserTopArtists

DAYS = ("2026-01-01", "2026-01-02")
COUNTRIES = ("Chad", "Peru", "Åland", None)
Place = tuple[str, str]
Homes = dict[Place, str | None]
Plays = dict[tuple[Place, str], int]
Ranks = dict[tuple[str, str, str], tuple[float, ...]]

# Few of everything and small numbers, so that ties abound; some listeners are in no list of users.
listeners = st.tuples(st.sampled_from(DAYS), st.sampled_from("abcdef"))
homes = st.dictionaries(listeners, st.sampled_from(COUNTRIES))
playlists = st.dictionaries(
    st.tuples(listeners, st.sampled_from(["A", "B", "É", "Z", "z", "🎸"])),
    st.integers(1, 4),
    max_size=40,
)


def heard_in(homes: Homes, plays: Plays) -> Mapping[tuple[str, str], dict[str, list[int]]]:
    """Playcounts by day and country, then artist."""
    found: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for ((day, user), artist), playcount in plays.items():
        country = homes.get((day, user))
        if country is not None:
            found[day, country][artist].append(playcount)
    return found


def artists_by_country(homes: Homes, plays: Plays, least: int) -> Ranks:
    ranks: Ranks = {}
    for (day, country), artists in heard_in(homes, plays).items():
        kept = [(-sum(each), name) for name, each in artists.items() if len(each) >= least]
        for rank, (total, artist) in enumerate(sorted(kept), start=1):
            ranks[day, country, artist] = (-total, rank)
    return ranks


def countries_by_artist(homes: Homes, plays: Plays, least: int) -> Ranks:
    shares: dict[Place, list[tuple[float, str, int]]] = defaultdict(list)
    for (day, country), artists in heard_in(homes, plays).items():
        of_country = sum(sum(each) for each in artists.values())
        for artist, each in artists.items():
            if len(each) >= least:
                shares[day, artist].append((-sum(each) / of_country, country, sum(each)))
    return {
        (day, country, artist): (total, -share, rank)
        for (day, artist), found in shares.items()
        for rank, (share, country, total) in enumerate(sorted(found), start=1)
    }


def tables(homes: Homes, plays: Plays) -> tuple[ir.Table, ir.Table]:
    top_artists: list[dict[str, Any]] = [
        {"user_id": u, "rank": 1, "artist_name": a, "playcount": n, "mbid": None, "snapshot": d}
        for ((d, u), a), n in plays.items()
    ]
    users: list[dict[str, Any]] = [
        {"user_id": u, "country": c, "total_scrobbles": None, "snapshot": d}
        for (d, u), c in homes.items()
    ]
    return (
        ibis.memtable(top_artists, schema=TableContract.of(UserTopArtists).schema),
        ibis.memtable(users, schema=TableContract.of(Users).schema),
    )


def ranks_of(table: ir.Table, *values: str) -> Ranks:
    rows = table.to_pyarrow().to_pylist()
    ranks: Ranks = {
        (row["snapshot"], row["country"], row["artist_name"]): tuple(row[name] for name in values)
        for row in rows
    }
    assert len(ranks) == len(rows)
    return ranks


@settings(max_examples=30)
@given(homes, playlists, st.integers(1, 3))
def test_artists_of_a_country_are_ranked_as_plain_python_ranks_them(
    homes: Homes, plays: Plays, least: int
) -> None:
    ranking = artist_rank_in_country(*tables(homes, plays), RankingConfig(min_listeners=least))
    found = ranks_of(ranking, "total_playcount", "rank")
    assert found == artists_by_country(homes, plays, least)


@settings(max_examples=30)
@given(homes, playlists, st.integers(1, 3))
def test_countries_of_an_artist_are_ranked_as_plain_python_ranks_them(
    homes: Homes, plays: Plays, least: int
) -> None:
    ranking = country_rank_per_artist(*tables(homes, plays), RankingConfig(min_listeners=least))
    found = ranks_of(ranking, "total_playcount", "normalized_popularity", "rank")
    assert found == countries_by_artist(homes, plays, least)


def test_a_minimum_of_listeners_keeps_tiny_countries_from_leading() -> None:
    """The whole of a tiny country's listening may be one artist; shares stay those of everybody."""
    homes: Homes = {(DAYS[0], user): "Nauru" if user == "a" else "Peru" for user in "abcd"}
    plays: Plays = {((DAYS[0], user), "A"): 4 for user in "abc"} | {((DAYS[0], "d"), "B"): 8}
    for least, leader in ((1, ("Nauru", 1.0)), (2, ("Peru", 0.5))):
        ranking = country_rank_per_artist(*tables(homes, plays), RankingConfig(min_listeners=least))
        found = ranks_of(ranking, "normalized_popularity", "rank")
        assert found[DAYS[0], leader[0], "A"] == (leader[1], 1)
