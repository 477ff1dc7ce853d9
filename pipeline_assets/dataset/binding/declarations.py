"""What a declaration may name: its own columns and parameters, and assets that exist.

A name that nothing has is an error when the definitions load, in one line that says which asset is
meant and what to write instead.
"""

import dis
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.dataset.values.texts import did_you_mean
from pipeline_assets.errors import DeclarationError

_YIELDS: Final = 0x20
"""Flag of the code of a generator function."""


def require_declared(asset: LakeAsset, upstream: Collection[str]) -> None:
    """Refuse an asset whose declaration names something that does not exist.

    Args:
        asset: The asset.
        upstream: Names of all assets and landing sources there are.

    Raises:
        DeclarationError: With the first such name.
    """
    for problem in (*_columns(asset), *_inputs(asset, upstream), *_function(asset)):
        raise DeclarationError(f"{asset.name}: {problem}")


def _columns(asset: LakeAsset) -> Iterator[str]:
    contract, column = asset.table.contract, asset.table.partition_column
    if column is not None and column not in contract.schema:
        yield (
            f"it is partitioned by `{column}`, and its contract {contract.name} has no such "
            f"column; add `{column}: String` to it, and the column to what the function returns"
        )
    yield from _unknown(contract, "unique", contract.unique)
    yield from _renamed(contract)
    for check in asset.all_checks:
        yield from _unknown(contract, f"the key of the check {check.name}", check.key)


def _renamed(contract: TableContract) -> Iterator[str]:
    present = {name.casefold() for name in contract.schema}
    for column in contract.columns:
        for name in (name for name in column.renamed_from if name.casefold() in present):
            yield (
                f"`{column.name}` is renamed_from `{name}`, and {contract.name} has a column of "
                "that name (capitals do not count); remove one of the two"
            )


def _unknown(contract: TableContract, where: str, names: Iterable[str]) -> Iterator[str]:
    for name in (name for name in names if name not in contract.schema):
        hint = did_you_mean(name, contract.schema)
        yield f"{where} names `{name}`, which {contract.name} does not have; {hint}"


def _inputs(asset: LakeAsset, upstream: Collection[str]) -> Iterator[str]:
    compared = (spec for each in asset.comparisons for spec in each.inputs)
    for spec in (*asset.inputs, *compared):
        if spec.upstream not in upstream:
            yield (
                f"`{spec.name}` reads {spec.upstream}, and no such asset is registered; "
                f"{did_you_mean(spec.upstream, upstream)} An asset is found in any module of a "
                "domain's package; name another one by `inputs={...}`"
            )
    names = [spec.name for spec in asset.inputs]
    for plot in asset.plots:
        for name in (name for name in plot.inputs if name not in names):
            hint = did_you_mean(name, names)
            yield f"its plot {plot.name} looks at `{name}`, which it does not read; {hint}"


def _function(asset: LakeAsset) -> Iterator[str]:
    if returns_nothing(asset.function):
        wanted = "yield record batches" if asset.kind == "ingest" else "return the table"
        yield f"its function returns nothing; {wanted}"


def returns_nothing(function: Callable[..., Any]) -> bool:
    """Whether a function can only end with None: there is no value behind any ``return``."""
    if function.__code__.co_flags & _YIELDS:
        return False
    before: dis.Instruction | None = None
    for instruction in dis.get_instructions(function):
        value = before if instruction.opname == "RETURN_VALUE" else instruction
        is_return = instruction.opname in {"RETURN_VALUE", "RETURN_CONST"}
        if is_return and not _is_none(value):
            return False
        before = instruction
    return True


def _is_none(instruction: dis.Instruction | None) -> bool:
    loads = {"LOAD_CONST", "RETURN_CONST"}
    return instruction is not None and instruction.opname in loads and instruction.argval is None
