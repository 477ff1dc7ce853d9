"""The parameters that an asset function may have.

The annotation of a parameter says which data it gets: see :mod:`pipeline_assets.dataset.inputs`.
The few that get something else are known by their names, and :data:`NAMED` is the whole list.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from pipeline_assets.dataset.inputs import ReadAs, read_as
from pipeline_assets.dataset.values.database import OLTP, STREAM, WAREHOUSE, WIKIMEDIA
from pipeline_assets.dataset.values.texts import nearest
from pipeline_assets.errors import DeclarationError

Kind: TypeAlias = Literal["expression", "ingest", "export"]
"""A function on tables, one that yields Arrow batches, or one on tables whose rows leave the lake.
"""

CONFIG: Final = "config"
PARTITIONS: Final = "partitions"
WORKSPACE: Final = "workspace"

_OF_EXPRESSIONS: Final[Mapping[str, str]] = {
    CONFIG: "The run config; its annotation is a subclass of `dagster.Config`.",
    PARTITIONS: "Keys of the partitions to materialise, a sequence of texts.",
}
NAMED: Final[Mapping[Kind, Mapping[str, str]]] = {
    "expression": _OF_EXPRESSIONS,
    "export": _OF_EXPRESSIONS,
    "ingest": {
        CONFIG: _OF_EXPRESSIONS[CONFIG],
        WORKSPACE: "Partitions, windows and storage: `dataset.workspace.Workspace`.",
        OLTP: "The shop's database, which may not be configured: `dataset.database.Database`.",
        WAREHOUSE: "The warehouse's database, likewise.",
        STREAM: "The stream, which may not be configured: `streams.event_stream.EventStream`.",
        WIKIMEDIA: "Wikimedia's APIs, which may not be configured: `wikimedia.access.Wikimedia`.",
    },
}
"""By the kind of asset: the names that are no data, and what each of them gets."""

_ANNOTATIONS: Final[Mapping[Kind, Mapping[ReadAs, str]]] = {
    "expression": {
        "table": "ir.Table",
        "lines": "RawLines",
        "numbered_lines": "NumberedLines",
        "published": "Published",
    },
    "export": {"table": "ir.Table"},
    "ingest": {"landed": "Landed", "rows": "Rows"},
}


def require_known_parameters(function: Callable[..., Any], kind: Kind) -> None:
    """Refuse a function with a parameter that nothing could be passed for.

    Args:
        function: Of an asset.
        kind: What the asset is declared as.

    Raises:
        DeclarationError: A parameter has neither an annotation nor a name that says what it gets.
    """
    for name, parameter in inspect.signature(function).parameters.items():
        is_data = read_as(parameter.annotation) in _ANNOTATIONS[kind]
        if not is_data and name not in NAMED[kind]:
            raise DeclarationError(_unknown(function.__name__, name, kind))


def _unknown(function: str, name: str, kind: Kind) -> str:
    near = nearest(name, NAMED[kind])
    hint = f"did you mean `{near}`? " if near else ""
    annotations = ", ".join(_ANNOTATIONS[kind].values())
    return (
        f"{function}: nothing is known to pass for parameter `{name}`: {hint}"
        f"Annotate data as {annotations}; other parameters are {', '.join(NAMED[kind])}"
    )
