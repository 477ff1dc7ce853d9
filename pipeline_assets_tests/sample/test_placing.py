"""Samples never overwrite what they did not write."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.sample.placing import RECORD, place

NAMES = ("music/users.csv", "taobao/train.tar.gz")


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


def sample(landing: Path, text: str) -> None:
    """What `sample` does with files that hold a text."""
    with TemporaryDirectory(dir=landing.parent) as folder:
        for name in NAMES:
            file = Path(folder, name)
            file.parent.mkdir()
            file.write_text(f"{name} {text}")
        place(Path(folder), landing)


def content(landing: Path) -> dict[str, str]:
    files = (path for path in landing.rglob("*") if path.is_file() and path.name != RECORD)
    return {str(path.relative_to(landing)): path.read_text() for path in files}


def test_a_sample_replaces_an_earlier_one(landing: Path) -> None:
    for text in ("small", "large", "small"):
        sample(landing, text)
        assert content(landing) == {name: f"{name} {text}" for name in NAMES}


def test_a_file_that_would_not_change_is_left_alone(landing: Path) -> None:
    sample(landing, "a")
    before = {name: (landing / name).stat().st_ino for name in NAMES}
    record = (landing / RECORD).stat().st_ino
    sample(landing, "a")
    assert {name: (landing / name).stat().st_ino for name in NAMES} == before
    assert (landing / RECORD).stat().st_ino == record


def vendors_file(landing: Path) -> None:
    (landing / NAMES[1]).parent.mkdir()
    (landing / NAMES[1]).write_text("42,300,135 impressions")


def changed_sample(landing: Path) -> None:
    sample(landing, "first")
    (landing / NAMES[1]).write_text("with my own rows")


def link_elsewhere(landing: Path) -> None:
    (landing / NAMES[1]).parent.mkdir()
    (landing / NAMES[1]).symlink_to(landing.parent / "not there yet")


def folder_of_that_name(landing: Path) -> None:
    (landing / NAMES[1]).mkdir(parents=True)


@pytest.mark.parametrize(
    "prepare", [vendors_file, changed_sample, link_elsewhere, folder_of_that_name]
)
def test_what_a_sample_did_not_write_stays_and_nothing_else_is_written(
    landing: Path, prepare: Callable[[Path], None]
) -> None:
    prepare(landing)
    before = content(landing)
    with pytest.raises(PipelineError, match=r"train\.tar\.gz is no file of a sample, or somebody"):
        sample(landing, "second")
    assert content(landing) == before


def test_files_of_a_sample_that_was_killed_half_way_are_known(
    landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample(landing, "first")
    replace = Path.replace

    def die_at_the_second(self: Path, target: Path) -> Path:
        if target.name == "train.tar.gz":
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            sample(landing, "second")
    assert content(landing) == {NAMES[0]: f"{NAMES[0]} second", NAMES[1]: f"{NAMES[1]} first"}
    sample(landing, "third")
    assert content(landing) == {name: f"{name} third" for name in NAMES}


def test_a_file_that_equals_the_sample_counts_as_one(landing: Path) -> None:
    """So a landing zone from before there were records is taken over."""
    sample(landing, "first")
    (landing / RECORD).unlink()
    sample(landing, "first")
    sample(landing, "second")
    assert content(landing) == {name: f"{name} second" for name in NAMES}
