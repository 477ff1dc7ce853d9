"""The packages that are pinned: all in constraints.txt, and parts of them in constraints/."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CONSTRAINTS: Final = Path(__file__).parents[2] / "constraints.txt"
_PIN: Final = re.compile(r"(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; (?P<marker>[^\\]+?))? \\")


@dataclass(frozen=True)
class Pin:
    """A package at one version.

    Attributes:
        name: The package's.
        version: The only one that is installed.
        marker: Where it is needed; empty if everywhere.
        hashes: SHA-256 of every file of this version, in hex.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def pins(file: Path = CONSTRAINTS) -> Iterator[Pin]:
    """Read a file of pins, each of which stands in a line before its hashes."""
    blocks = re.split(r"\n(?=\S)", file.read_text(encoding="utf-8").strip())
    for block in blocks:
        found = _PIN.match(block)
        assert found, f"no pin with hashes: {block.splitlines()[0]}"
        hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", block))
        yield Pin(found["name"], found["version"], found["marker"] or "", hashes)
