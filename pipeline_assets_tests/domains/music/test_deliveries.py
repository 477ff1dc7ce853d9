from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets.domains.music.deliveries import LISTENING
from pipeline_assets_tests.domains.music.world import DAY, TOP_ARTISTS, USERS, World

TYPED = ("raw_users", "raw_user_top_artists", "users", "user_top_artists", "rejected_rows")
ONE_USER = USERS + "a,Chad,7\n"


@pytest.fixture
def world(tmp_path: Path, instance: dg.DagsterInstance) -> World:
    return World.below(tmp_path, instance)


def test_names_may_hold_quotes_commas_and_line_breaks(world: World) -> None:
    world.land("users.csv", USERS + '"a,""1""",Chad,7\n')
    names = ['"', ",", 'The "Live", Trio', "First\nSecond", "First\r\nSecond", "null", "\\", " é"]
    quoted = (name.replace('"', '""') for name in names)
    rows = "".join(f'"a,""1""",{n},"{name}",5,\n' for n, name in enumerate(quoted, start=1))
    world.land("user_top_artists.csv", TOP_ARTISTS + rows)
    world.materialize(*TYPED)
    assert world.query("select user_id, artist_name from music.user_top_artists order by rank") == [
        ('a,"1"', name) for name in names
    ]
    assert world.rejected() == []


def test_files_of_a_table_may_differ_in_order_line_ends_and_optional_columns(world: World) -> None:
    world.land("users.csv", b"\xef\xbb\xbf" + ONE_USER.encode())
    world.land("users_2.csv", "total_scrobbles,extra,country,user_id\r\n,x,null,b\r\n")
    world.land("user_top_artists.csv", b"\xef\xbb\xbf" + TOP_ARTISTS.encode() + b"a,1,A,5,m\n")
    world.land("user_top_artists-2.csv", "artist_name,playcount,user_id,rank\nB,007,b,")
    world.materialize(*TYPED)
    assert world.query("from music.users order by user_id") == [
        ("a", "Chad", 7, DAY),
        ("b", None, None, DAY),
    ]
    assert world.query("from music.user_top_artists order by user_id") == [
        ("a", 1, "A", 5, "m", DAY),
        ("b", None, "B", 7, None, DAY),
    ]


def test_records_that_cannot_be_used_are_rejected_with_their_place(world: World) -> None:
    world.land("users.csv", ONE_USER + ",Chad,1\nb,Chad,many\nc\na,Peru,9\n")
    playcounts = ["5", '"1,234"', "-5", "", "0", "5.5", " 5", "1e3", "9" * 16, "٣"]
    rows = [f"a,1,Artist {n},{plays},\n" for n, plays in enumerate(playcounts)]
    others = ["ghost,1,A,5,\n", "a,1,,5,\n", "a,0,B,5,\n", "ghost,x,C,0,\n", "\n", "a\n"]
    world.land("user_top_artists.csv", TOP_ARTISTS + "".join([*rows, *others]))
    world.materialize(*TYPED)
    assert world.rejected() == [
        *(("user_top_artists.csv", number, "bad_playcount") for number in range(2, 11)),
        ("user_top_artists.csv", 11, "unknown_user"),
        ("user_top_artists.csv", 12, "bad_artist_name"),
        ("user_top_artists.csv", 13, "bad_rank"),
        ("user_top_artists.csv", 14, "bad_playcount, bad_rank, unknown_user"),
        ("user_top_artists.csv", 15, "empty_line"),
        ("user_top_artists.csv", 16, "field_count"),
        ("users.csv", 2, "bad_user_id"),
        ("users.csv", 3, "bad_total_scrobbles"),
        ("users.csv", 4, "field_count"),
        ("users.csv", 5, "duplicate"),
    ]
    assert world.query("select country from music.users") == [("Chad",)]
    assert world.query("select playcount from music.user_top_artists") == [(5,)]


def test_of_users_that_are_named_twice_the_first_sound_record_counts(world: World) -> None:
    world.land("users.csv", USERS + "a,Chad,x\na,Peru,1\n")
    world.land("users_2.csv", USERS + "a,Niue,2\n")
    world.land("user_top_artists.csv", TOP_ARTISTS)
    world.materialize(*TYPED)
    assert world.query("select country from music.users") == [("Peru",)]


def test_plays_of_an_artist_that_a_list_names_again_are_added_up_and_counted(world: World) -> None:
    world.land("users.csv", ONE_USER)
    world.land("user_top_artists.csv", TOP_ARTISTS + "a,2,A,0,\na,2,A,3,\na,3,B,1,\n")
    world.land("user_top_artists_2.csv", TOP_ARTISTS + "a,1,A,9,m\na,4,A,3.0,\n")
    result = world.materialize(*TYPED)
    assert world.query("select artist_name, rank, playcount, mbid from music.user_top_artists") == [
        ("A", 1, 15, "m"),
        ("B", 3, 1, None),
    ]
    assert world.rejected() == [("user_top_artists.csv", 1, "bad_playcount")]
    failed = {
        check.check_name for check in result.get_asset_check_evaluations() if not check.passed
    }
    assert failed == {"artists_are_listed_once"}


def test_no_value_is_written_in_many_ways_and_namibia_is_none_of_them(world: World) -> None:
    none = ["", "nan", "NaN", "None", "none", "NULL", "null", "<NA>"]
    written = [*none, "NA", "Nantes", "-"]
    world.land("users.csv", USERS + "".join(f"u{n},{c},\n" for n, c in enumerate(written)))
    world.land("user_top_artists.csv", TOP_ARTISTS)
    world.materialize(*TYPED)
    found = world.query("select country from music.users order by user_id.substring(2)::int")
    assert [country for (country,) in found] == [None] * len(none) + ["NA", "Nantes", "-"]


def test_whole_numbers_as_pandas_writes_them_are_numbers(world: World) -> None:
    world.land("users.csv", USERS + "a,Chad,12.0\n")
    world.land("user_top_artists.csv", TOP_ARTISTS + "a,1.0,A,5.0,\n")
    world.materialize(*TYPED)
    assert world.query("select total_scrobbles from music.users") == [(12,)]
    assert world.query("select rank, playcount from music.user_top_artists") == [(1, 5)]


@pytest.mark.parametrize(
    ("delivered", "missing"),
    [("users.csv", "user_top_artists"), ("user_top_artists.csv", "users")],
)
def test_half_a_delivery_is_refused_and_nothing_published(
    world: World, delivered: str, missing: str
) -> None:
    world.land(delivered, ONE_USER if delivered == "users.csv" else TOP_ARTISTS)
    assert set(world.update().failures) == {
        f"music/{table}[{DAY}]: music/{DAY} has no {missing}.csv; deliver it beside the other"
        for table in ("raw_users", "raw_user_top_artists")
    }
    for table in TYPED:
        assert world.query(f"from music.{table}") == []


def test_a_missing_column_is_named(world: World) -> None:
    world.land("users.csv", ONE_USER)
    world.land("user_top_artists.csv", TOP_ARTISTS + "a,1,A,5,\n")
    world.land("user_top_artists_2.csv", "user_id,rank,artist_name,plays\na,1,B,5\n")
    (failure,) = world.update().failures
    assert failure.startswith(f"music/raw_user_top_artists[{DAY}]: ")
    assert "user_top_artists_2.csv lacks column playcount" in failure
    assert world.query("from music.raw_user_top_artists") == []


def test_headers_alone_make_empty_tables(world: World) -> None:
    world.land("users.csv", USERS)
    world.land("user_top_artists.csv", TOP_ARTISTS)
    assert world.update().failures == ()
    for table in ("users", "artist_rank_in_country", "artist_embeddings", "similar_artists"):
        assert world.query(f"from music.{table}") == []


def test_names_that_nobody_understands_are_told(world: World) -> None:
    world.land("users.csv", USERS, snapshot="2026-13-01")
    world.land("genres.csv", "", snapshot="..")
    world.land("listeners.csv", "")
    world.land("users_old.csv", USERS)
    world.land("users_20260131.csv", USERS)
    assert sorted(world.update().problems) == sorted(
        f"music/{path}: no name that landing/music knows; it should be {LISTENING.expected}"
        for path in (
            "2026-13-01/users.csv",
            f"{DAY}/listeners.csv",
            f"{DAY}/users_old.csv",
            f"{DAY}/users_20260131.csv",
        )
    )
