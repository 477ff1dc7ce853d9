"""Datasets are found, not listed: every module below a package is imported and looked through."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TypeVar

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.landing_source import LandingSource

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
        ValueError: Two datasets, or two landing sources, have the same key.
    """
    modules = [module for package in packages for module in _modules(package)]
    values = [value for module in modules for value in vars(module).values()]
    return Datasets(
        tuple(_distinct(value for value in values if isinstance(value, LakeAsset))),
        tuple(_distinct(value for value in values if isinstance(value, LandingSource))),
    )


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    for name in sorted(info.name for info in found):
        yield importlib.import_module(name)


def _distinct(values: Iterable[Dataset]) -> Iterator[Dataset]:
    """Each object once, wherever it was imported to."""
    seen: dict[str, Dataset] = {}
    for value in values:
        name = value.key.to_user_string()
        if name not in seen:
            seen[name] = value
            yield value
        elif seen[name] is not value:
            raise ValueError(f"{name} is declared twice; give one of them another name or domain")
