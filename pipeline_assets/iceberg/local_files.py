"""Iceberg's metadata files of a lake in a folder.

pyiceberg's own access to local files loads Arrow and, where it is installed, pandas: half a second
of CPU for a command that reads a few small files. This one uses nothing but the standard library.
"""

from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream


class LocalFileIO(FileIO):
    """Files of this machine, named by absolute paths or ``file:`` URIs."""

    def new_input(self, location: str) -> "LocalFile":
        """A file to read."""
        return LocalFile(location)

    def new_output(self, location: str) -> "LocalFile":
        """A file to write."""
        return LocalFile(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Delete a file.

        Raises:
            FileNotFoundError: There is none.
        """
        name = location if isinstance(location, str) else location.location
        path_of(name).unlink()


class LocalFile(InputFile, OutputFile):
    """One file, to be read or to be written."""

    def __len__(self) -> int:
        return path_of(self.location).stat().st_size

    def exists(self) -> bool:
        """Whether the file exists."""
        return path_of(self.location).exists()

    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002 - pyiceberg's signature
        """A stream of its bytes."""
        return cast(InputStream, path_of(self.location).open("rb"))

    def create(self, overwrite: bool = False) -> OutputStream:
        """A stream to write to; folders are created on the way.

        Raises:
            FileExistsError: The file exists and must not be overwritten.
        """
        path = path_of(self.location)
        path.parent.mkdir(parents=True, exist_ok=True)
        stream: BinaryIO = path.open("wb" if overwrite else "xb")
        return cast(OutputStream, stream)

    def to_input_file(self) -> "LocalFile":
        """The same file for reading."""
        return self


def path_of(location: str) -> Path:
    """The path that a location names."""
    return Path(unquote(urlsplit(location).path) if location.startswith("file:") else location)
