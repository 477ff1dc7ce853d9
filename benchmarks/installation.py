"""What an installation weighs: MB and packages of the default and of what each extra adds.

    python -m benchmarks.installation

Each set goes into a virtual environment of its own, at the versions of `constraints.txt`, by the
`uv` beside this Python. The first starts from an empty cache, so its seconds hold all downloads.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.harness import markdown

HERE: Final = Path(__file__).parents[1]
UV: Final = Path(sys.executable).with_name("uv")
# Torch is several GB of whichever build a trainer chooses, and is not pinned.
LEFT_OUT: Final = frozenset({"training"})
WEIGH: Final = """
import json
from importlib.metadata import distributions

def weight(package):
    files = [package.locate_file(file) for file in package.files or ()]
    return sum(file.stat().st_size for file in files if file.is_file())

print(json.dumps({package.name: weight(package) for package in distributions()}))
"""


@dataclass(frozen=True)
class Installed:
    """What is in a virtual environment.

    Attributes:
        sizes: Bytes of each package's files.
        seconds: That installing took, on the clock.
        cpu: Seconds of CPU of the same.
    """

    sizes: Mapping[str, int]
    seconds: float
    cpu: float

    @property
    def megabytes(self) -> float:
        """Of all packages."""
        return sum(self.sizes.values()) / 1e6


def extras() -> Sequence[str]:
    """Of the project, but for those that are not pinned."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    return [name for name in project["optional-dependencies"] if name not in LEFT_OUT]


def install(folder: Path, pins: Path, extra: str = "") -> Installed:
    """Into a new environment below a folder, whose cache later ones share."""
    home = folder / (extra or "default")
    environment = {**os.environ, "UV_CACHE_DIR": str(folder / "cache")}
    subprocess.run([UV, "venv", "--quiet", home], check=True, env=environment)
    python = home / "bin" / "python"
    wanted = f"pipeline-assets[{extra}] @ {HERE.as_uri()}" if extra else str(HERE)
    into = [str(UV), "pip", "install", "--quiet", "--python", str(python)]
    before, started = os.times(), time.monotonic()
    subprocess.run([*into, "-c", str(pins), wanted], check=True, env=environment)
    seconds, after = time.monotonic() - started, os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    printed = subprocess.run([python, "-c", WEIGH], check=True, capture_output=True).stdout
    return Installed(json.loads(printed), seconds, cpu)


def unhashed(constraints: Path, folder: Path) -> Path:
    """The versions alone, which every set is held to: hashes would have to cover all of it."""
    pins = folder / "pins.txt"
    lines = re.findall(r"^([\w.-]+==[^ \n]+(?: ; [^\\\n]+)?)", constraints.read_text(), re.M)
    pins.write_text("\n".join(lines))
    return pins


def main() -> None:
    """Install one set after the other; print what each weighs, and the heaviest of the default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heaviest", type=int, default=12, help="how many packages to name")
    heaviest = parser.parse_args().heaviest
    with TemporaryDirectory() as name:
        folder = Path(name)
        pins = unhashed(HERE / "constraints.txt", folder)
        default = install(folder, pins)
        rows = [["(default)", *_row(default, {}), f"{default.seconds:.0f}", f"{default.cpu:.0f}"]]
        for extra in extras():
            found = install(folder, pins, extra)
            rows.append([extra, *_row(found, default.sizes), "", ""])
    print(markdown(["extra", "packages", "MB", "s", "CPU s"], rows), "\n")
    largest = sorted(default.sizes.items(), key=lambda each: -each[1])[:heaviest]
    print(markdown(["of the default", "MB"], [[it, f"{size / 1e6:.0f}"] for it, size in largest]))


def _row(found: Installed, less: Mapping[str, int]) -> list[str]:
    added = {name: size for name, size in found.sizes.items() if name not in less}
    return [str(len(added)), f"{sum(added.values()) / 1e6:.0f}"]


if __name__ == "__main__":
    main()
