"""The versions of code that an earlier process has computed, while nothing they depend on changes.

To compute them, the expressions of all assets and of their checks are built, which takes a third of
what `missing` takes. An expression depends on source code, on files that lie beside it, on settings
and on the environment. Of each file the times, the length and the number on its disk are compared:
that is more than Python compares of a source file before it uses the bytecode that it has kept.
"""

import json
import os
import sys
import sysconfig
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from pipeline_assets.dataset import BEGAN_NS
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.staleness.audits import audit_version
from pipeline_assets.staleness.versions import code_version

FILE: Final = "versions.json"
"""Its name in the Dagster home. Whoever deletes it loses a second, once."""
_CLOCKS_NS: Final = 1_000_000_000
"""A file system's clock may be so far behind the one that processes ask."""
_INSTALLED: Final = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")}
)

Stamp = list[int] | None
"""Times, length and number of a file; None where there is none."""


@dataclass(frozen=True)
class Versions:
    """What the assets of a graph compute and what their checks ask.

    Attributes:
        code: See :func:`.versions.code_version`, by asset name.
        audit: See :func:`.audits.audit_version`, by asset name.
    """

    code: Mapping[str, str] = field(default_factory=dict)
    audit: Mapping[str, str] = field(default_factory=dict)


UNKNOWN: Final = Versions()


def compute_versions(assets: Sequence[LakeAsset]) -> Versions:
    """The versions of all assets of a graph.

    Raises:
        DeclarationError: An asset's expression is not what its contract promises.
    """
    tables: dict[str, LakeTable] = {asset.name: asset.table for asset in assets}
    return Versions(
        {asset.name: code_version(asset, tables) for asset in assets},
        {asset.name: audit_version(asset, tables) for asset in assets},
    )


@dataclass(frozen=True)
class RememberedVersions:
    """A file that keeps the versions of a graph.

    Attributes:
        file: It lies in a folder that need not exist; then nothing is known.
        circumstances: Whatever but files the versions depend on.
        beside: Files that nobody imports and that versions depend on.
        began_ns: Before any module of a domain was imported. What has changed since may have been
            imported as it was before.
    """

    file: Path
    circumstances: str
    beside: Collection[Path] = ()
    began_ns: int = BEGAN_NS

    def versions(
        self,
        assets: Sequence[LakeAsset],
        compute: Callable[[Sequence[LakeAsset]], Versions] = compute_versions,
    ) -> Versions:
        """The versions of all assets of a graph, computed unless they are remembered.

        Where nothing can be remembered none is computed: whoever needs one computes it alone.

        Raises:
            DeclarationError: An asset's expression is not what its contract promises.
        """
        if not self.file.parent.is_dir():
            return UNKNOWN
        names = [asset.name for asset in assets]
        if found := self._remembered(names):
            return found
        computed = compute(assets)
        self._remember(names, computed)
        return computed

    def _remembered(self, names: Sequence[str]) -> Versions | None:
        kept = _read(self.file)
        if kept.get("circumstances") != self._circumstances(names):
            return None
        stamps: Mapping[str, Stamp] = kept["files"]
        # Another file than the one that was imported then may have taken its place.
        is_known = self._own_files() <= stamps.keys() and self._are_settled(stamps)
        is_same = is_known and all(_stamp(name) == stamp for name, stamp in stamps.items())
        return Versions(**kept["versions"]) if is_same else None

    def _are_settled(self, stamps: Mapping[str, Stamp]) -> bool:
        """Whether no file has changed since this process began."""
        newest = max(max(stamp[:2]) for stamp in stamps.values() if stamp)
        return newest <= self.began_ns - _CLOCKS_NS

    def _remember(self, names: Sequence[str], versions: Versions) -> None:
        stamps = {name: _stamp(name) for name in sorted(self._own_files() | _imported())}
        if not self._are_settled(stamps):
            return
        kept = {
            "circumstances": self._circumstances(names),
            "versions": asdict(versions),
            "files": stamps,
        }
        # Where nothing can be written, the versions are computed the next time as well.
        with suppress(OSError):
            _write(self.file, json.dumps(kept))

    def _circumstances(self, names: Sequence[str]) -> list[object]:
        return [sys.version, self.circumstances, *names]

    def _own_files(self) -> set[str]:
        """Files of the code that is developed: each module, and what lies in its package."""
        modules = {name for name in _imported() if not name.startswith(_INSTALLED)}
        packages = {
            str(Path(path).absolute())
            for name, module in list(sys.modules.items())
            if "." not in name
            for path in getattr(module, "__path__", ())
            if not str(path).startswith(_INSTALLED)
        }
        return modules.union(
            (str(path.absolute()) for path in self.beside), *map(_files_in, packages)
        )


def _imported() -> set[str]:
    """The file of every module that is loaded."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {os.path.abspath(name) for name in files if isinstance(name, str)}


def _files_in(package: str) -> Iterator[str]:
    for folder, folders, names in os.walk(package):
        folders[:] = [it for it in folders if it != "__pycache__" and not it.startswith(".")]
        yield from (os.path.join(folder, name) for name in names)


def _stamp(name: str) -> Stamp:
    try:
        found = os.stat(name)
    except FileNotFoundError:
        return None
    return [found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino]


def _read(file: Path) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    # One that cannot be read is one that was never written.
    with suppress(OSError, ValueError):
        kept = json.loads(file.read_text())
    return kept


def _write(file: Path, text: str) -> None:
    """Replace it; what it says of the environment is a digest, but is nobody else's either."""
    made = file.with_name(f"{file.name}.{os.getpid()}")
    made.touch(mode=0o600)
    made.write_text(text)
    made.replace(file)
