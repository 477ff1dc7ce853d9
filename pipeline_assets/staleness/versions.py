"""Versions: short hashes of the code and the inputs that a partition is materialised from.

Equal versions mean equal rows, so a partition whose versions are unchanged need not be materialised
again. Descriptions and other metadata are not part of any version.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import dagster as dg
import ibis.expr.types as ir

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.computation import (
    Computation,
    Fixpoint,
    Learn,
    compile_computation,
    kind_of,
    structure_of_computation,
)
from pipeline_assets.dataset.inputs import Input, unbound
from pipeline_assets.dataset.parameters import CONFIG, PARTITIONS
from pipeline_assets.dataset.sql import schema_names
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.errors import DeclarationError
from spark_resources.job import KERNEL_VERSIONS

VERSION_DIGITS = 16
ANY_PARTITION = ("",)
"""Stands for the partition keys where a function is called only for its expression."""
_REMEMBERED: Final = 1024
"""Versions that a process keeps: far more than a graph has assets."""


def digest(value: Any) -> str:  # noqa: ANN401 - anything JSON can write
    """Sixteen hex digits of any JSON value."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:VERSION_DIGITS]


def prefix_digests(values: Mapping[str, str]) -> list[str]:
    """The digest of the first n of some texts in the order of their keys, for every n from 0 on.

    A table that reads all windows up to its own asks for each of them. They are computed in one
    walk: a digest is that of the JSON text, and each text but for its end begins the next one.
    """
    running = hashlib.sha256(b"{")
    found = [digest({})]
    for place, key in enumerate(sorted(values)):
        pair = f"{json.dumps(key)}: {json.dumps(values[key])}"
        running.update(f", {pair}".encode() if place else pair.encode())
        ended = running.copy()
        ended.update(b"}")
        found.append(ended.hexdigest()[:VERSION_DIGITS])
    return found


def code_version(
    asset: LakeAsset, tables: Mapping[str, LakeTable], config: dg.Config | None = None
) -> str:
    """A hash of what an asset computes.

    For an expression it hashes the expression's structure. Renaming a variable changes nothing, and
    a changed helper changes every asset that uses it. A release of Ibis that writes SQL differently
    changes nothing. Building the expression also proves that it has the contract's columns.

    Args:
        asset: The asset.
        tables: Lake table by asset key (``domain/name``).
        config: The config it computes with; by default the declared one.

    Raises:
        DeclarationError: The expression is not what the contract promises, or cannot be built.
    """
    if asset.code_version is not None:
        return digest([asset.code_version, schema_names(asset.table.contract.schema)])
    try:
        if config is None or config == asset.config():
            return _declared_version(asset, _read(asset, tables))
        return _version(asset, _read(asset, tables), config)
    except Exception as error:
        line = " ".join(str(error).split())
        raise DeclarationError(f"{asset.name}: {line}") from error


@lru_cache(_REMEMBERED)
def _declared_version(asset: LakeAsset, read: tuple[LakeTable, ...]) -> str:
    """The version with the declared config, which a process asks for whenever it builds the graph.

    Building the expressions of all assets is most of what that costs.
    """
    return _version(asset, read, asset.config())


def _version(asset: LakeAsset, read: tuple[LakeTable, ...], config: dg.Config | None) -> str:
    computation = _computation(asset, read, config)
    structure = structure_of_computation(computation, asset.result)
    exported = [asset.export.place] if asset.export else []
    return digest([structure, *_kernel_version(computation), *exported])


def former_code_version(asset: LakeAsset, tables: Mapping[str, LakeTable]) -> str:
    """The hash of an expression's SQL, which version 0.1 recorded as its code version.

    A partition that was published by version 0.1 and bears this hash is not stale.
    """
    if asset.code_version is not None:
        return code_version(asset, tables)
    computation = _computation(asset, _read(asset, tables), asset.config())
    compiled = compile_computation(computation, asset.result, "duckdb")
    exported = [asset.export.place] if asset.export else []
    kernel = _kernel_version(computation)
    return digest([compiled.kind, compiled.sql, compiled.parameters, *kernel, *exported])


def _kernel_version(computation: Computation) -> list[int]:
    """The version of the learning kernel; none for a kernel that never changed since 0.1."""
    kind = kind_of(computation)
    return [KERNEL_VERSIONS[kind]] if kind in KERNEL_VERSIONS else []


def _read(asset: LakeAsset, tables: Mapping[str, LakeTable]) -> tuple[LakeTable, ...]:
    """The tables of its inputs, in their order."""
    return tuple(tables[spec.upstream] for spec in asset.inputs)


def _computation(
    asset: LakeAsset, read: tuple[LakeTable, ...], config: dg.Config | None
) -> Computation:
    """What the asset's function returns for its inputs."""
    specs = zip(asset.inputs, read, strict=True)
    inputs = {spec.name: unbound(spec, table) for spec, table in specs}
    computation = evaluate(asset, inputs, config)
    if not isinstance(computation, ir.Table | Fixpoint | Learn):
        kind = type(computation).__name__
        raise DeclarationError(f"its function returns {kind}, not a table: return the table")
    return computation


def partition_version(
    code_version: str, config: Mapping[str, Any] | None, inputs: Mapping[str, str]
) -> str:
    """The version of a partition: of the code, the config and the inputs it is materialised from.

    Args:
        code_version: Of the asset, with that config.
        config: As JSON values; None for an asset that has no config.
        inputs: The version of each input.
    """
    return digest([code_version, config, inputs])


def evaluate(
    asset: LakeAsset,
    inputs: Mapping[str, ir.Table],
    config: Any,  # noqa: ANN401 - the asset's own config class
    keys: Sequence[str] = ANY_PARTITION,
) -> Any:  # noqa: ANN401 - what the function returns
    """Call an asset's function with those of its parameters that are inputs, config or keys."""
    own = {asset.own.name: unbound(asset.own, asset.table)} if asset.own else {}
    arguments = {**own, **inputs, CONFIG: config, PARTITIONS: keys}
    return asset.function(**{name: arguments[name] for name in function_parameters(asset)})


def function_parameters(asset: LakeAsset) -> Sequence[str]:
    """Names of the function's parameters."""
    code = asset.function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def input_versions(asset: LakeAsset, inputs: Mapping[str, Input], key: str) -> dict[str, str]:
    """The version of every input, as one partition of the output sees it.

    An input's partition of the same key counts alone. Where a mapping feeds other partitions to the
    output, those of them count that were loaded.
    """
    partitioning = asset.partitioning
    found: dict[str, str] = {}
    for spec in asset.inputs:
        if spec.name not in inputs:
            continue
        versions = inputs[spec.name].versions
        mapped: Iterable[str] | None = None
        if isinstance(spec.partition_mapping, dg.AllPartitionMapping) and partitioning:
            mapped = versions
        elif partitioning and spec.partition_mapping:
            # Otherwise only windows of time are mapped to each other: the same, or shorter ones.
            mapped = partitioning.upstream_keys(
                key, spec.windows or partitioning, spec.partition_mapping, sorted(versions)
            )
        found[spec.name] = input_version(versions, key, mapped)
    return found


def input_version(versions: Mapping[str, str], key: str, mapped: Iterable[str] | None) -> str:
    """The version of one input, as one partition of the output sees it.

    Args:
        versions: Of the input's partitions.
        key: The output's partition.
        mapped: The input's partitions that feed it. None stands for the partition of the same key,
            or for all partitions if there is no such partition.
    """
    if mapped is None and key in versions:
        return versions[key]
    chosen = versions if mapped is None else [name for name in mapped if name in versions]
    return digest({name: versions[name] for name in chosen})
