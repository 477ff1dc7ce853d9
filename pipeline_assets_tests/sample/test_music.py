import csv
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.sample.music import (
    TOP_ARTIST_COLUMNS,
    TOP_ARTIST_FAULTS,
    USER_COLUMNS,
    USER_FAULTS,
    Fault,
    write_music,
)
from pipeline_assets.sample.music_listeners import FIXED_NAMES, artist_name
from pipeline_assets_tests.truth.music import (
    rows_of,
    snapshot_truth,
    top_artist_rejection,
    user_rejection,
)

DAY = "2026-01-01"
Rows = list[list[str]]


def parsed(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream, strict=True))


@pytest.mark.parametrize("fault", USER_FAULTS)
def test_a_spoilt_user_is_rejected_for_the_planted_reason(fault: Fault) -> None:
    user = ("u1", "Japan", "7")
    assert user_rejection(user) is None
    assert user_rejection(fault.spoil(user)) == fault.reason


@pytest.mark.parametrize("fault", TOP_ARTIST_FAULTS)
def test_a_spoilt_top_artist_is_rejected_for_the_planted_reason(fault: Fault) -> None:
    row = ("u1", "1", "Lavo", "7", "")
    assert top_artist_rejection({"u1"}, row) is None
    assert top_artist_rejection({"u1"}, fault.spoil(row)) == fault.reason


def test_damage_comes_in_every_kind_and_share(tmp_path: Path) -> None:
    write_music(tmp_path, damage=0.3)
    day = snapshot_truth(tmp_path, DAY)
    assert set(day.rejected_users) == {fault.reason for fault in USER_FAULTS}
    assert set(day.rejected_user_top_artists) == {fault.reason for fault in TOP_ARTIST_FAULTS}
    spoilt = sum(day.rejected_user_top_artists.values())
    assert spoilt / (spoilt + day.user_top_artists) == pytest.approx(0.3, rel=0.05)
    written = {row[3] for row in rows_of(tmp_path, "user_top_artists", DAY) if len(row) == 5}
    assert {"1,234", "-5", "", "abc"} <= written


def test_where_all_is_damaged_no_user_is_lost_and_no_play_is_left(tmp_path: Path) -> None:
    write_music(tmp_path, scale=0.2, damage=1.0)
    day = snapshot_truth(tmp_path, DAY)
    assert (day.users, day.user_top_artists) == (100, 0)


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    write_music(folder)
    return folder


def test_files_are_the_vendors_format(landing: Path) -> None:
    folder = landing / "music" / DAY
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(files) == {
        "users.csv",
        "users_2.csv",
        "user_top_artists.csv",
        "user_top_artists_2.csv",
    }
    assert files["users.csv"].startswith(b"\xef\xbb\xbfuser_id,country,total_scrobbles\n")
    assert files["user_top_artists_2.csv"].startswith(
        b"user_id,rank,artist_name,playcount,mbid\r\n"
    )
    for name in files:
        header = USER_COLUMNS if name.startswith("users") else TOP_ARTIST_COLUMNS
        assert parsed(folder / name)[0] == list(header)


def test_names_need_quoting_and_look_like_other_things(landing: Path) -> None:
    names = {row[2] for row in rows_of(landing, "user_top_artists", DAY)}
    assert {"None", "null", "1,234", '"', "First\r\nSecond"} <= names
    for mark in ('"', ",", "\n", "ö", "東", "🎸", "ע", "\\"):
        assert any(mark in name for name in names)


def test_artist_names_are_unique() -> None:
    names = [artist_name(number) for number in range(50_000)]
    assert len(set(names)) == len(names)
    assert set(FIXED_NAMES) < set(names)


def test_countries_are_sometimes_null_and_sometimes_tiny(landing: Path) -> None:
    countries = Counter(row[1] for row in rows_of(landing, "users", DAY))
    assert {"", "None", "null"} < set(countries)
    assert countries["Tuvalu"] == 2
    assert countries["Nauru"] == 1


def test_totals_of_a_tiny_country_tie(landing: Path) -> None:
    nauru = {row[0] for row in rows_of(landing, "users", DAY) if row[1] == "Nauru"}
    plays = [row[3] for row in rows_of(landing, "user_top_artists", DAY) if row[0] in nauru]
    assert len(plays) > 1
    assert len(set(plays)) == 1


def test_ranks_follow_playcounts_and_no_artist_comes_twice(landing: Path) -> None:
    lists: dict[str, Rows] = defaultdict(list)
    for row in rows_of(landing, "user_top_artists", DAY):
        lists[row[0]].append(row)
    for heard in lists.values():
        plays = [int(row[3]) for row in heard]
        assert [int(row[1]) for row in heard] == list(range(1, len(heard) + 1))
        assert plays == sorted(plays, reverse=True)
        assert min(plays) >= 1
        assert len({row[2] for row in heard}) == len(heard)


def test_some_users_heard_nothing_or_one_artist_only(landing: Path) -> None:
    heard = Counter(row[0] for row in rows_of(landing, "user_top_artists", DAY))
    everyone = {row[0] for row in rows_of(landing, "users", DAY)}
    assert everyone > set(heard)
    assert 1 in heard.values()


def test_listeners_prefer_one_or_two_genres(landing: Path) -> None:
    genres = {row[0]: row[1] for row in parsed(landing / "music" / "genres.csv")[1:]}
    assert len(set(genres.values())) == 12
    plays: dict[str, Counter[str]] = defaultdict(Counter)
    for user, _, artist, count, _ in rows_of(landing, "user_top_artists", DAY):
        plays[user][genres[artist]] += int(count)
    top_two = sum(sum(n for _, n in liked.most_common(2)) for liked in plays.values())
    assert top_two / sum(liked.total() for liked in plays.values()) > 0.9


def test_popularity_is_skewed(landing: Path) -> None:
    heard = Counter(row[2] for row in rows_of(landing, "user_top_artists", DAY))
    top_tenth = sum(n for _, n in heard.most_common(len(heard) // 10))
    assert top_tenth / heard.total() > 0.2


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_music(tmp_path / name, scale=0.2, damage=0.1)
    for path in (tmp_path / "one").rglob("*.*"):
        twin = tmp_path / "other" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == twin.read_bytes()


def test_another_seed_gives_other_listeners(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_music(tmp_path / str(seed), 0.2, seed=seed)
    first, second = (rows_of(tmp_path / str(seed), "users", DAY) for seed in (1, 2))
    assert first != second


def test_snapshots_share_users_and_taste_but_not_plays(tmp_path: Path) -> None:
    days = ("2026-01-01", "2026-02-01")
    write_music(tmp_path, 0.2, snapshots=days)
    first, second = (rows_of(tmp_path, "users", day) for day in days)
    assert [row[:2] for row in first] == [row[:2] for row in second]
    first_truth, second_truth = (snapshot_truth(tmp_path, day) for day in days)
    assert first_truth.total_playcount != second_truth.total_playcount
    assert first_truth.artists == second_truth.artists


def test_scale_moves_users_and_artists(tmp_path: Path) -> None:
    write_music(tmp_path / "big", scale=2)
    write_music(tmp_path / "small", scale=0.001)
    assert len(parsed(tmp_path / "big/music/genres.csv")) == 1 + 800
    assert len(rows_of(tmp_path / "big", "users", DAY)) == 1000
    assert len(rows_of(tmp_path / "small", "users", DAY)) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 0}, "scale is 0"),
        ({"scale": float("nan")}, "scale is nan"),
        ({"damage": 1.5}, "damage is 1.5"),
        ({"snapshots": ["today"]}, "snapshot 'today'"),
        ({"snapshots": ["20260101"]}, "snapshot '20260101'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    tmp_path: Path, arguments: dict[str, float], message: str
) -> None:
    with pytest.raises(PipelineError, match=message):
        write_music(tmp_path, **arguments)  # type: ignore[arg-type]
