"""A folder that is filled once and put back for every test that changes it.

To fill a lake takes seconds, to copy it milliseconds. A lake names its files by their full paths,
so a copy is none: the tests of a module use the same folder, one after the other.
"""

from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, rmtree


@dataclass(frozen=True)
class Prepared:
    """A folder as it is now, whatever is done to it later."""

    folder: Path

    def __post_init__(self) -> None:
        copytree(self.folder, self._saved)

    @property
    def _saved(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}-saved")

    def put_back(self) -> None:
        rmtree(self.folder)
        copytree(self._saved, self.folder)
