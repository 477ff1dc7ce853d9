import csv
import json
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.sample.music import (
    FIXED_NAMES,
    NULL_COUNTRIES,
    TOP_ARTIST_COLUMNS,
    USER_COLUMNS,
    Leader,
    MusicTruth,
    SnapshotTruth,
    artist_name,
    write_music,
)

DAY = "2026-01-01"
Rows = list[list[str]]


def parsed(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream, strict=True))


def rows_of(landing: Path, table: str, snapshot: str = DAY) -> Rows:
    """Rows of all files of a table, without their headers."""
    files = sorted((landing / "music" / snapshot).glob(f"{table}*.csv"))
    return [row for path in files for row in parsed(path)[1:]]


def fault(row: list[str], users: set[str]) -> str:
    """Why a row of top artists can't be used, empty if it can."""
    if len(row) != len(TOP_ARTIST_COLUMNS):
        return "field_count"
    user, _, artist, plays, _ = row
    checks = {
        "unknown_user": user in users,
        "bad_artist_name": artist != "",
        "bad_playcount": plays.isdecimal(),
    }
    return next((reason for reason, holds in checks.items() if not holds), "")


def user_fault(row: list[str]) -> str:
    """Why a row of users can't be used, empty if it can."""
    if len(row) != len(USER_COLUMNS):
        return "field_count"
    return "" if row[0] else "bad_user_id"


def found(landing: Path, snapshot: str = DAY) -> SnapshotTruth:
    """What the files say, computed from them alone."""
    everyone = rows_of(landing, "users", snapshot)
    users = {row[0]: row[1] for row in everyone if not user_fault(row)}
    faults = [
        (fault(row, set(users)), row) for row in rows_of(landing, "user_top_artists", snapshot)
    ]
    sound = [row for reason, row in faults if not reason]
    fans = Counter(row[2] for row in sound)
    plays: dict[str, Counter[str]] = defaultdict(Counter)
    for user, _, artist, count, _ in sound:
        if users[user] not in NULL_COUNTRIES:
            plays[users[user]][artist] += int(count)
    return SnapshotTruth(
        users=len(users),
        user_top_artists=len(sound),
        null_countries=sum(country in NULL_COUNTRIES for country in users.values()),
        rejected_users=dict(Counter(reason for row in everyone if (reason := user_fault(row)))),
        rejected_user_top_artists=dict(Counter(reason for reason, _ in faults if reason)),
        artists=len(fans),
        familiar_artists=sum(number >= 5 for number in fans.values()),
        listeners=len({row[0] for row in sound}),
        country_artists=sum(map(len, plays.values())),
        total_playcount=sum(int(row[3]) for row in sound),
        leaders={
            country: Leader(*min(artists.items(), key=lambda item: (-item[1], item[0])))
            for country, artists in plays.items()
        },
    )


@pytest.fixture(scope="module", params=[0.0, 0.2, 1.0], ids=["sound", "damaged", "all damaged"])
def sample(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, MusicTruth]:
    landing = tmp_path_factory.mktemp("landing")
    return landing, write_music(landing, scale=0.6, damage=request.param)


def test_the_truth_is_what_the_files_say(sample: tuple[Path, MusicTruth]) -> None:
    landing, truth = sample
    assert asdict(found(landing)) == asdict(truth.snapshots[DAY])


def test_every_row_is_sound_or_counted_as_rejected(sample: tuple[Path, MusicTruth]) -> None:
    landing, truth = sample
    day = truth.snapshots[DAY]
    rejected = sum(day.rejected_user_top_artists.values())
    assert day.user_top_artists + rejected == len(rows_of(landing, "user_top_artists"))
    assert day.users + sum(day.rejected_users.values()) == len(rows_of(landing, "users"))


def test_damage_comes_in_every_kind(tmp_path: Path) -> None:
    day = write_music(tmp_path, damage=0.3).snapshots[DAY]
    assert set(day.rejected_users) == {"field_count", "bad_user_id"}
    assert set(day.rejected_user_top_artists) == {
        "bad_artist_name",
        "field_count",
        "bad_playcount",
        "unknown_user",
    }
    written = {row[3] for row in rows_of(tmp_path, "user_top_artists") if len(row) == 5}
    assert {"1,234", "-5", "", "abc"} <= written


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
    names = {row[2] for row in rows_of(landing, "user_top_artists")}
    assert {"None", "null", "1,234", '"', "First\r\nSecond"} <= names
    for mark in ('"', ",", "\n", "ö", "東", "🎸", "ע", "\\"):
        assert any(mark in name for name in names)


def test_artist_names_are_unique() -> None:
    names = [artist_name(number) for number in range(50_000)]
    assert len(set(names)) == len(names)
    assert set(FIXED_NAMES) < set(names)


def test_countries_are_sometimes_null_and_sometimes_tiny(landing: Path) -> None:
    countries = Counter(row[1] for row in rows_of(landing, "users"))
    assert set(NULL_COUNTRIES) < set(countries)
    assert countries["Tuvalu"] == 2
    assert countries["Nauru"] == 1


def test_totals_of_a_tiny_country_tie(landing: Path) -> None:
    nauru = {row[0] for row in rows_of(landing, "users") if row[1] == "Nauru"}
    plays = [row[3] for row in rows_of(landing, "user_top_artists") if row[0] in nauru]
    assert len(plays) > 1
    assert len(set(plays)) == 1


def test_ranks_follow_playcounts_and_no_artist_comes_twice(landing: Path) -> None:
    lists: dict[str, Rows] = defaultdict(list)
    for row in rows_of(landing, "user_top_artists"):
        lists[row[0]].append(row)
    for heard in lists.values():
        plays = [int(row[3]) for row in heard]
        assert [int(row[1]) for row in heard] == list(range(1, len(heard) + 1))
        assert plays == sorted(plays, reverse=True)
        assert min(plays) >= 1
        assert len({row[2] for row in heard}) == len(heard)


def test_some_users_heard_nothing_or_one_artist_only(landing: Path) -> None:
    heard = Counter(row[0] for row in rows_of(landing, "user_top_artists"))
    everyone = {row[0] for row in rows_of(landing, "users")}
    assert everyone > set(heard)
    assert 1 in heard.values()


def test_listeners_prefer_one_or_two_genres(landing: Path) -> None:
    genres = {row[0]: row[1] for row in parsed(landing / "music" / "genres.csv")[1:]}
    assert len(set(genres.values())) == 12
    plays: dict[str, Counter[str]] = defaultdict(Counter)
    for user, _, artist, count, _ in rows_of(landing, "user_top_artists"):
        plays[user][genres[artist]] += int(count)
    top_two = sum(sum(n for _, n in liked.most_common(2)) for liked in plays.values())
    assert top_two / sum(liked.total() for liked in plays.values()) > 0.9


def test_popularity_is_skewed(landing: Path) -> None:
    heard = Counter(row[2] for row in rows_of(landing, "user_top_artists"))
    top_tenth = sum(n for _, n in heard.most_common(len(heard) // 10))
    assert top_tenth / heard.total() > 0.2


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_music(tmp_path / name, scale=0.2, damage=0.1)
    for path in (tmp_path / "one").rglob("*.*"):
        twin = tmp_path / "other" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == twin.read_bytes()


def test_another_seed_gives_other_listeners(tmp_path: Path) -> None:
    assert write_music(tmp_path, 0.2, seed=1) != write_music(tmp_path, 0.2, seed=2)


def test_snapshots_share_users_and_taste_but_not_plays(tmp_path: Path) -> None:
    days = ("2026-01-01", "2026-02-01")
    truth = write_music(tmp_path, 0.2, snapshots=days)
    first, second = (rows_of(tmp_path, "users", day) for day in days)
    assert [row[:2] for row in first] == [row[:2] for row in second]
    assert truth.snapshots[days[0]].total_playcount != truth.snapshots[days[1]].total_playcount
    assert truth.snapshots[days[0]].artists == truth.snapshots[days[1]].artists


def test_scale_moves_users_and_artists(tmp_path: Path) -> None:
    truth = write_music(tmp_path, scale=2)
    assert truth.artists == 800
    assert truth.snapshots[DAY].users == 1000
    assert write_music(tmp_path, scale=0.001).snapshots[DAY].users == 1


def test_the_truth_is_written_beside_the_snapshots(tmp_path: Path) -> None:
    truth = write_music(tmp_path, scale=0.2, damage=0.1)
    text = (tmp_path / "music" / "truth.json").read_text(encoding="utf-8")
    assert json.loads(text) == json.loads(json.dumps(asdict(truth)))


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
