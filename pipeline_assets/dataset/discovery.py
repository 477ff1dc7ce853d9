"""Datasets are found, not listed: every module below a package is imported and looked through."""

import importlib
import pkgutil
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.errors import DeclarationError

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
    values = [each for module in modules for value in vars(module).values() for each in _in(value)]
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
