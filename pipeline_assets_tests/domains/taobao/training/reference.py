"""What encoding means, in plain Python: one line and one vocabulary at a time."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

Vocabulary = Mapping[tuple[str, int], int]
LISTS = {"210", "853", "109_14", "110_14", "127_14", "150_14"}


def encode(features: str, fields: Sequence[str], vocabulary: Vocabulary) -> dict[str, Any]:
    """The columns of a line, but for the keys."""
    tokens = [token for token in features.split("\x01") if token]
    others: dict[str, list[str]] = {"": []}
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in fields}
    for token in tokens:
        name, _, rest = token.partition("\x02")
        feature_id, _, value = rest.partition("\x03")
        if name not in found:
            others[""].append(token)
        elif name not in LISTS and found[name]:
            others.setdefault(name, []).append(token)
        else:
            index = vocabulary.get((name, int(feature_id)), 1)
            found[name].append((index, float32(float(value))))
    columns: dict[str, Any] = {"num_tokens": len(tokens)}
    for name in fields:
        indices, weights = [i for i, _ in found[name]], [w for _, w in found[name]]
        is_list = name in LISTS
        columns[f"f{name}"] = indices if is_list else next(iter(indices), 0)
        columns[f"f{name}_weight"] = weights if is_list else next(iter(weights), 0.0)
    repeated = [token for name in fields for token in others.get(name, [])]
    return {**columns, "other_tokens": others[""] + repeated}


def float32(value: float) -> float:
    """The nearest number that 32 bits can hold."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded
