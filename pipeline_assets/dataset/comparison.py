"""Checks that look at tables which an asset's function does not read."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import dagster as dg

from pipeline_assets.dataset.contract import Check
from pipeline_assets.dataset.inputs import InputSpec
from pipeline_assets.errors import DeclarationError


@dataclass(frozen=True)
class Comparison:
    """A check of a published table against tables that its function does not read.

    It runs by itself once all of them are published, and only warns.

    Attributes:
        check: The promise.
        inputs: The tables it looks at besides the asset's own.
    """

    check: Check
    inputs: tuple[InputSpec, ...]


def divided(
    checks: Iterable[Check], read: Collection[str], domain: str
) -> tuple[tuple[Check, ...], tuple[Comparison, ...]]:
    """Checks that are audited with what the function reads, and those that need other tables.

    Raises:
        DeclarationError: A check that keeps its asset from being published needs another table.
    """
    audited, others = [], []
    for each in checks:
        unread = [name for name in each.inputs if name not in read]
        if not unread:
            audited.append(each)
        elif each.severity == "warn":
            specs = [InputSpec(name, dg.AssetKey([domain, name]), "table") for name in each.inputs]
            others.append(Comparison(each, tuple(specs)))
        else:
            raise DeclarationError(
                f"Check {each.name} decides what is published, so it may only look at what the "
                f"function reads; make {' and '.join(unread)} a parameter or the check a warning"
            )
    return tuple(audited), tuple(others)
