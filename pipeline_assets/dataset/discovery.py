"""Datasets are found, not listed: every module below a package is imported and looked through."""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Final, TypeVar

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.errors import DeclarationError

DOMAINS: Final = "pipeline_assets.domains"
"""The group of entry points of packages with domains."""
Dataset = TypeVar("Dataset", LakeAsset, LandingSource)


@dataclass(frozen=True)
class Datasets:
    """What a graph is built from.

    Attributes:
        assets: Datasets of the lake.
        landing: Where some of them are read from.
    """

    assets: tuple[LakeAsset, ...]
    landing: tuple[LandingSource, ...]


def packages_of_others(names: Iterable[str] = ()) -> list[ModuleType]:
    """The packages with domains that are not ours.

    Whoever installs a package with an entry point in the group ``pipeline_assets.domains`` adds its
    domains; the settings may name further ones, which lie in the working folder or wherever Python
    finds them.

    Args:
        names: Of the packages that the settings name.

    Raises:
        DeclarationError: There is no such package.
    """
    return [_imported(name) for name in dict.fromkeys((*_installed(tuple(sys.path)), *names))]


@cache
def _installed(_path: tuple[str, ...]) -> tuple[str, ...]:
    """The packages that are installed in these folders, which are searched once.

    Python opens a file of every installed package to tell, and the graph asks several times.
    """
    return tuple(point.value for point in entry_points(group=DOMAINS))


def _imported(name: str) -> ModuleType:
    # A command that was installed finds nothing in the folder that it is called in.
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        raise DeclarationError(
            f"There is no package {name} of domains, neither in {Path.cwd()} nor where Python looks"
        )
    package = importlib.import_module(name)
    if not hasattr(package, "__path__"):
        raise DeclarationError(f"{name} is a module; domains are in a package, a folder of modules")
    return package


def datasets_in(*packages: ModuleType) -> Datasets:
    """The datasets and landing sources that the modules of some packages define.

    Their order is always the same: packages as given, modules by name, and within a module as it is
    written.

    Args:
        packages: Packages of domains, or the package of one domain.

    Raises:
        DeclarationError: Two datasets, or two landing sources, have the same key, or a folder with
            modules is no package.
    """
    modules = [module for package in packages for module in _modules(package)]
    values = [each for module in modules for value in _defined(module) for each in _in(value)]
    return Datasets(
        tuple(_distinct(value for value in values if isinstance(value, LakeAsset))),
        tuple(_distinct(value for value in values if isinstance(value, LandingSource))),
    )


def require_registered(package: ModuleType, registered: Collection[LakeAsset]) -> None:
    """Refuse datasets in imported modules of a package in which nobody looks for datasets.

    Raises:
        DeclarationError: With the first one that is not registered.
    """
    prefix = f"{package.__name__}."
    for name in sorted(name for name in sys.modules if name.startswith(prefix)):
        for value in vars(sys.modules[name]).values():
            if isinstance(value, LakeAsset) and value not in registered:
                raise DeclarationError(
                    f"{value.name} is declared in {name}, where no dataset is registered; move it "
                    "into a module of a domain"
                )


def _defined(module: ModuleType) -> Iterator[object]:
    """What has a name in a module, but for what Python itself puts there."""
    return (value for name, value in vars(module).items() if not name.startswith("__"))


def _in(value: object) -> Iterator[object]:
    """A value of a module; of a list, or another plain collection, what is in it."""
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    else:
        yield value


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    _require_packages(package)
    yield package
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    for name in sorted(info.name for info in found):
        yield importlib.import_module(name)


def _require_packages(package: ModuleType) -> None:
    """Python passes over a folder without ``__init__.py``, and its datasets would be missing."""
    for root in package.__path__:
        for path in sorted(Path(root).rglob("*.py")):
            if not (path.parent / "__init__.py").exists():
                raise DeclarationError(
                    f"{path} is in no package, so its datasets are not registered; create an empty "
                    f"{path.parent / '__init__.py'}"
                )


def _distinct(values: Iterable[Dataset]) -> Iterator[Dataset]:
    """Each object once, wherever it was imported to."""
    seen: dict[str, Dataset] = {}
    for value in values:
        name = value.key.to_user_string()
        if name not in seen:
            seen[name] = value
            yield value
        elif seen[name] is not value:
            raise DeclarationError(
                f"{name} is declared twice; give one of them another name or domain"
            )
