"""Rebuilds dataclasses from JSON, with nothing but the standard library."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

# Looking the types up takes longer than everything else for a source of ten thousand files.
_field_types: Final = cache(get_type_hints)


def rebuilt(type_: Any, data: Any) -> Any:  # noqa: ANN401 - any field of a job or manifest
    """Rebuild a value of a declared type from JSON, which has neither tuples nor dataclasses.

    >>> rebuilt(tuple[int, ...], [1, 2])
    (1, 2)
    """
    if isinstance(type_, type) and is_dataclass(type_):
        types = _field_types(type_)
        return type_(**{name: rebuilt(types[name], value) for name, value in data.items()})
    match get_origin(type_), get_args(type_):
        case (origin, (item, *_)) if origin is tuple:
            return tuple(rebuilt(item, value) for value in data)
        case (origin, (_, item)) if origin is Mapping:
            return {key: rebuilt(item, value) for key, value in data.items()}
        case (origin, (item, _)) if origin is UnionType and data is not None:
            return rebuilt(item, data)
    return data
