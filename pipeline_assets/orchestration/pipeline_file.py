"""The file ``pipeline.yaml``: the config that a deployment declares for assets and partitions.

It is read when the definitions load. Whatever it names must exist and every value must be one that
the asset's config accepts, because a misspelt name would otherwise leave the default in force.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import dagster as dg
from yaml import YAMLError, safe_load

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.config import DeclaredConfig, problem_of
from pipeline_assets.dataset.values.texts import did_you_mean
from pipeline_assets.errors import PipelineError

DEFAULT_FILE: Final = Path("pipeline.yaml")
_SECTIONS: Final = ("config", "partitions")


def declared_in(path: Path | None) -> Mapping[str, DeclaredConfig]:
    """The declared config by asset (``domain/name``).

    Args:
        path: The file; None stands for ``pipeline.yaml`` in the working folder, if there is one.

    Raises:
        PipelineError: There is no such file, or it does not have the form that the docs describe.
    """
    if path is None and not DEFAULT_FILE.exists():
        return {}
    found = path or DEFAULT_FILE
    content = _mapping(_read(found), str(found))
    _require_known(content, ("assets",), f"{found}: there is no section")
    assets = _mapping(content.get("assets"), f"{found}: assets")
    return {name: _declared(section, f"{found}: {name}") for name, section in assets.items()}


def with_declared(
    assets: Iterable[LakeAsset], declared: Mapping[str, DeclaredConfig], known: Collection[str]
) -> list[LakeAsset]:
    """The assets with their declared config.

    Args:
        assets: The assets.
        declared: Declared config by asset.
        known: The names of all assets there are.

    Raises:
        PipelineError: An asset, a field, a partition or a value cannot be.
    """
    _require_known(declared, known, "pipeline.yaml: there is no asset")
    return [
        replace(asset, declared=_valid(asset, declared[asset.name]))
        if asset.name in declared
        else asset
        for asset in assets
    ]


def _read(path: Path) -> object:
    try:
        loaded: object = safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PipelineError(f"{path} cannot be read: {error.strerror}") from error
    except YAMLError as error:
        line = " ".join(str(error).split())
        raise PipelineError(f"{path} is no YAML: {line}") from error
    return loaded


def _declared(section: object, where: str) -> DeclaredConfig:
    parts = _mapping(section, where)
    _require_known(parts, _SECTIONS, f"{where}: there is no")
    partitions = _mapping(parts.get("partitions"), f"{where}: partitions")
    return DeclaredConfig(
        _mapping(parts.get("config"), f"{where}: config"),
        # YAML reads 2024-01-01 as a date.
        {str(key): _mapping(it, f"{where}: {key}") for key, it in partitions.items()},
    )


def _mapping(value: object, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PipelineError(f"{where}: expected names with values, not {value!r}")
    return value


def _require_known(names: Iterable[str], known: Collection[str], complaint: str) -> None:
    for name in (name for name in names if name not in known):
        raise PipelineError(f"{complaint} {name}; {did_you_mean(str(name), known)}")


def _valid(asset: LakeAsset, declared: DeclaredConfig) -> DeclaredConfig:
    if asset.config_type is None:
        raise PipelineError(f"pipeline.yaml: {asset.name} has no config; leave it out")
    for problem in _problems(asset, asset.config_type, declared):
        raise PipelineError(f"pipeline.yaml: {asset.name}: {problem}")
    return declared


def _problems(
    asset: LakeAsset, config_type: type[dg.Config], declared: DeclaredConfig
) -> Iterator[str]:
    problem = problem_of(config_type, declared.fields)
    if problem:
        yield problem
    for key in declared.partitions:
        cut = asset.partitioning
        complaint = cut.complaint(key) if cut else "cannot be: the table has no partitions"
        problem = complaint and f"partition {key} {complaint}"
        problem = problem or problem_of(config_type, declared.of(key))
        if problem:
            yield problem if complaint else f"partition {key}: {problem}"
