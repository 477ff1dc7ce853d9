"""What a result depends on, as short hashes: equal versions mean nothing has to be done."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ibis.expr.types as ir

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.computation import (
    Computation,
    compile_computation,
    kind_of,
    structure_of_computation,
)
from pipeline_assets.dataset.inputs import Input, InputSpec, unbound
from pipeline_assets.dataset.parameters import CONFIG, PARTITIONS
from pipeline_assets.dataset.sql import schema_names
from pipeline_assets.dataset.values.table import LakeTable
from spark_resources.job import KERNEL_VERSIONS

VERSION_DIGITS = 16
ANY_PARTITION = ("",)
"""Stands for the partitions to be made where only the code is looked at."""


def digest(value: Any) -> str:  # noqa: ANN401 - anything JSON can write
    """Sixteen hex digits of any JSON value."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:VERSION_DIGITS]


def code_version(asset: LakeAsset, tables: Mapping[str, LakeTable]) -> str:
    """A hash of what an asset computes.

    For an expression it is the expression's structure: renaming a variable changes nothing, a
    changed helper changes every asset that uses it, and neither a description nor a release of Ibis
    that words SQL differently has anything computed anew. Building the expression also proves that
    it has the contract's columns.

    Args:
        asset: The asset.
        tables: Lake table by asset key (``domain/name``).

    Raises:
        ValueError: The expression's columns are not those of the contract.
    """
    if asset.code_version is not None:
        return digest([asset.code_version, schema_names(asset.table.contract.schema)])
    exported = [asset.export.place] if asset.export else []
    computation = _with_default_config(asset, tables)
    structure = structure_of_computation(computation, asset.result)
    return digest([structure, *_kernel_version(computation), *exported])


def former_code_version(asset: LakeAsset, tables: Mapping[str, LakeTable]) -> str:
    """The hash of an expression's SQL, by which lakes up to version 0.1 tell its code.

    A partition that bears it is as current as one that bears :func:`code_version`.
    """
    if asset.code_version is not None:
        return code_version(asset, tables)
    computation = _with_default_config(asset, tables)
    compiled = compile_computation(computation, asset.result, "duckdb")
    exported = [asset.export.place] if asset.export else []
    kernel = _kernel_version(computation)
    return digest([compiled.kind, compiled.sql, compiled.parameters, *kernel, *exported])


def _kernel_version(computation: Computation) -> list[int]:
    """Nothing for a kind that never changed, so that adding this made no table stale."""
    kind = kind_of(computation)
    return [KERNEL_VERSIONS[kind]] if kind in KERNEL_VERSIONS else []


def _with_default_config(asset: LakeAsset, tables: Mapping[str, LakeTable]) -> Computation:
    inputs = {spec.name: unbound(spec, tables[spec.upstream]) for spec in asset.inputs}
    computation: Computation = evaluate(asset, inputs, asset.config_type and asset.config_type())
    return computation


def evaluate(
    asset: LakeAsset,
    inputs: Mapping[str, ir.Table],
    config: Any,  # noqa: ANN401 - the asset's own config class
    keys: Sequence[str] = ANY_PARTITION,
) -> Any:  # noqa: ANN401 - what the function returns
    """Call an asset's function with those of its parameters that are inputs, config or keys."""
    available_versions = {**inputs, CONFIG: config, PARTITIONS: keys}
    return asset.function(**{name: available_versions[name] for name in function_parameters(asset)})


def function_parameters(asset: LakeAsset) -> Sequence[str]:
    """Names of the function's parameters."""
    code = asset.function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def input_versions(asset: LakeAsset, inputs: Mapping[str, Input], key: str) -> dict[str, str]:
    """The version of every input as one partition of the output sees it.

    An input partition of the same key stands for itself; otherwise those that are mapped to it
    count, as far as they were loaded.
    """
    return {
        spec.name: input_version(
            inputs[spec.name].versions,
            key,
            _mapped_keys(asset, spec, key, inputs[spec.name].versions),
        )
        for spec in asset.inputs
        if spec.name in inputs
    }


def input_version(versions: Mapping[str, str], key: str, mapped: Iterable[str] | None) -> str:
    """The version of one input as one partition of the output sees it.

    Args:
        versions: Of the input's partitions.
        key: The output's partition.
        mapped: The input's partitions that feed it; None for its namesake, or all if it has none.
    """
    if mapped is None and key in versions:
        return versions[key]
    chosen = versions if mapped is None else [name for name in mapped if name in versions]
    return digest({name: versions[name] for name in chosen})


def _mapped_keys(
    asset: LakeAsset, spec: InputSpec, key: str, loaded: Iterable[str]
) -> Sequence[str] | None:
    """A mapping is between partitions of one and the same cut."""
    if asset.partitioning is None or spec.partition_mapping is None:
        return None
    cut = asset.partitioning
    return cut.upstream_keys(key, cut, spec.partition_mapping, loaded)
