"""Another folder is not an empty lake, and an update that does nothing says why."""

from pathlib import Path

import pytest

from pipeline_assets.command.session import Session
from pipeline_assets.settings import Settings
from pipeline_assets_tests.command.test_isolation import RAW, Command, command
from pipeline_assets_tests.domains.rentals.faults import day, text

__all__ = ["command"]

READING = [
    ("history", "ratings.reviews"),
    ("profile", "ratings.reviews"),
    ("restore", "ratings.reviews", "--snapshot", "1"),
    ("missing",),
    ("query", "select count(*) from ratings.reviews"),
    ("tables",),
    ("audit", "ratings.reviews"),
    ("verify",),
    ("clean",),
    ("backup", "elsewhere"),
    ("recover",),
]


@pytest.mark.parametrize("words", READING, ids=lambda words: words[0])
def test_a_folder_without_a_lake_is_told_and_left_as_it_is(
    command: Command, settings: Settings, tmp_path: Path, words: tuple[str, ...]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    said = command(*words)
    assert said.code == 1
    (line,) = said.err
    assert f"There is no lake in {Path(settings.lake_uri).resolve()}" in line
    assert "PIPELINE_LAKE_URI" in line
    assert sorted(tmp_path.rglob("*")) == before


def test_what_config_and_assets_there_are_is_told_without_a_lake(
    command: Command, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    told = command("describe", "ratings.filtered_ratings").out
    assert "min_customer_rows" in told
    assert f"There is no lake in {tmp_path / 'lake'}" in told
    assert sorted(tmp_path.rglob("*")) == before


def test_an_update_without_effect_says_why(command: Command, settings: Settings) -> None:
    said = command("update", *RAW)
    assert "Nothing has landed of what was asked for; see `doctor`" in said.out
    file = Path(settings.landing_uri) / "movie_review" / day(0) / "movie_review.csv"
    file.parent.mkdir(parents=True)
    file.write_bytes(text((1, "fine", 5)))
    said = command("update", *RAW)
    assert [line.split()[0] for line in said.out.splitlines() if line.startswith("  ")] == [
        "rentals.raw_movie_reviews"
    ], "only what has changed is listed"
    (run,) = Session(settings).instance.get_runs()
    assert run.remote_job_origin, "the timeline leaves out runs without a code location"
    # A daemon would start again what somebody has stopped.
    assert run.tags["dagster/max_retries"] == "0"
    assert "nothing was run." in command("update", *RAW).out
    assert "nothing was run." in command("update", *RAW, "--partition", day(0)).out


def test_a_picture_into_nowhere_names_the_folder_that_is_not_there(
    command: Command, settings: Settings, tmp_path: Path
) -> None:
    Path(settings.lake_uri).mkdir()
    nowhere = tmp_path / "nowhere" / "p.png"
    said = command("profile", "ratings.reviews", "--plot", str(nowhere))
    assert said.err == [f"error: --plot {nowhere}: there is no folder {nowhere.parent}"]
