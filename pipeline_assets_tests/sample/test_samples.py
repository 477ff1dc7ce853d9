from pathlib import Path

from click.testing import CliRunner

from pipeline_assets.command.cli import cli
from pipeline_assets.sample import write_samples


def times(landing: Path) -> dict[str, int]:
    files = (path for path in landing.rglob("*") if path.is_file())
    return {path.relative_to(landing).as_posix(): path.stat().st_mtime_ns for path in files}


def test_the_command_writes_landing_files_and_a_list_of_them(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    arguments = ["sample", "--out", str(landing), "--scale", "0.01"]
    result = CliRunner().invoke(cli, arguments)
    assert result.output == f"landing files: {landing}\n"
    written = [file for file in sorted(times(landing)) if not file.startswith("movie_review/")]
    assert written == [
        ".pipeline-samples.json",
        "amazon_reviews/amazon_reviews_us_Digital_Video_Download_v1_00.tsv.gz",
        "amazon_reviews/amazon_reviews_us_Gift_Card_v1_00.tsv",
        "music/2026-01-01/user_top_artists.csv",
        "music/2026-01-01/user_top_artists_2.csv",
        "music/2026-01-01/users.csv",
        "music/2026-01-01/users_2.csv",
        "music/genres.csv",
        "pageviews/people_and_things/subjects.csv",
        "taobao/taobao_test.tar.gz",
        "taobao/taobao_train.tar.gz",
    ]
    reviews = {file.rpartition("/")[2] for file in set(times(landing)) - set(written)}
    assert reviews == {"movie_review.csv"}
    assert list(tmp_path.iterdir()) == [landing]


def test_writing_again_touches_only_what_changes(tmp_path: Path) -> None:
    write_samples(tmp_path / "landing", 0.01, 0, 0.0)
    before = times(tmp_path / "landing")
    write_samples(tmp_path / "landing", 0.01, 0, 0.0)
    assert times(tmp_path / "landing") == before
    write_samples(tmp_path / "landing", 0.01, 1, 0.0)
    after = times(tmp_path / "landing")
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
