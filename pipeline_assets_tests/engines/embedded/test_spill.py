import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from pipeline_assets.engines.embedded.spill import spill_folder
from pipeline_assets_tests.processes import killed_at_its_moment, wait_to_be_killed

NOBODY = 65534


def spill_until(parent: Path, moment: Event) -> None:
    with spill_folder(parent) as folder:
        (folder / "block").write_bytes(bytes(1000))
        wait_to_be_killed(moment)


def spilt(parent: Path) -> Iterator[str]:
    return (path.name for path in parent.rglob("block*"))


def test_a_folder_goes_with_what_was_spilt(tmp_path: Path) -> None:
    with spill_folder(tmp_path) as folder:
        (folder / "block").touch()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_spilt_is_removed_by_the_next(tmp_path: Path) -> None:
    killed_at_its_moment(spill_until, tmp_path)
    assert list(spilt(tmp_path)) == ["block"]
    with spill_folder(tmp_path):
        assert list(spilt(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_what_others_spill_meanwhile_is_left_alone(tmp_path: Path) -> None:
    with spill_folder(tmp_path) as one:
        (one / "block").touch()
        with spill_folder(tmp_path) as other:
            assert other != one
            assert list(spilt(tmp_path)) == ["block"]
        assert (one / "block").exists()


def test_a_folder_that_is_just_being_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pipeline-spill-new").mkdir()
    with spill_folder(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline-spill-new"]


def test_a_place_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), spill_folder(tmp_path / "nowhere"):
        pass


def test_what_another_account_spills_is_none_of_ours() -> None:
    """The system's temporary folder is everybody's, and its folders are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        parent = Path(name)
        parent.chmod(0o1777)
        with spill_folder(parent) as theirs, another_account(theirs.parent), spill_folder(parent):
            assert theirs.parent.exists()


@contextmanager
def another_account(closed: Path) -> Iterator[None]:
    """Be somebody who may not enter a folder."""
    is_root = os.geteuid() == 0
    try:
        os.seteuid(NOBODY) if is_root else closed.chmod(0)
        yield
    finally:
        os.seteuid(0) if is_root else closed.chmod(0o700)
