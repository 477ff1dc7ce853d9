"""Draws a graph as SVG, so that a page needs neither a script nor the internet for it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import Final, TypeAlias

Edge: TypeAlias = tuple[str, str]

_WIDTH: Final = 170
_LINE: Final = 15
_GAP_X: Final = 46
_GAP_Y: Final = 14
_LETTERS: Final = 24
_NODE: Final = re.compile(r"(\w+)(?:\[[/(]?(.+?)[/)]?\])?$")


@dataclass(frozen=True)
class Graph:
    """A graph without cycles.

    Attributes:
        labels: The lines of each node's text.
        edges: From node to node.
        links: Where a node leads who clicks on it.
    """

    labels: Mapping[str, Sequence[str]]
    edges: Sequence[Edge]
    links: Mapping[str, str] = field(default_factory=dict)


def read_mermaid(text: str) -> Graph:
    """Read as much of mermaid's language as our pages use: nodes, ``&`` and ``-->``."""
    labels: dict[str, Sequence[str]] = {}
    edges: list[Edge] = []
    for line in text.splitlines():
        if line.strip().startswith(("graph", "subgraph", "end")) or not line.strip():
            continue
        steps = [
            [_node(word, labels) for word in step.split(" & ")]
            for step in line.strip().split("-->")
        ]
        for sources, targets in pairwise(steps):
            edges += [(source, target) for source in sources for target in targets]
    return Graph(labels, edges)


def _node(word: str, labels: dict[str, Sequence[str]]) -> str:
    match = _NODE.match(word.strip())
    if match is None:
        raise ValueError(f"'{word}' is no node that we can draw")
    name, label = match.groups()
    if label is not None or name not in labels:
        labels[name] = re.split(r"<br>", label or name)
    return name


def drawing(graph: Graph) -> str:
    """Draw the nodes in columns from left to right, each right of all that it follows from."""
    places = _places(graph)
    heights = {name: _height(lines) for name, lines in graph.labels.items()}
    width = max(x for x, _ in places.values()) + _WIDTH + 4
    height = max(y + heights[name] for name, (_, y) in places.items()) + 4
    lines = [
        f'<div class="wide"><svg class="graph" viewBox="0 0 {width} {height}" width="{width}">',
        *(_edge(places[a], heights[a], places[b], heights[b]) for a, b in graph.edges),
        *(part for name in graph.labels for part in _box(graph, name, places[name])),
        "</svg></div>",
    ]
    return "".join(lines)


def _places(graph: Graph) -> dict[str, tuple[int, int]]:
    """Column by column; within one, nodes lie near the mean of those that they follow from."""
    depths = _depths(graph)
    places: dict[str, tuple[int, int]] = {}
    for depth in range(max(depths.values(), default=0) + 1):
        column = [name for name in graph.labels if depths[name] == depth]

        def wanted(name: str) -> float:
            above = [places[a][1] for a, b in graph.edges if b == name and a in places]
            return sum(above) / len(above) if above else 0.0

        y = 2
        for name in sorted(column, key=wanted):
            places[name] = (2 + depth * (_WIDTH + _GAP_X), y)
            y += _height(graph.labels[name]) + _GAP_Y
    return places


def _depths(graph: Graph) -> dict[str, int]:
    depths = dict.fromkeys(graph.labels, 0)
    for _ in graph.labels:
        for source, target in graph.edges:
            depths[target] = max(depths[target], depths[source] + 1)
    return depths


def _height(lines: Sequence[str]) -> int:
    return 12 + _LINE * len(_wrapped(lines))


def _wrapped(lines: Sequence[str]) -> list[str]:
    """Lines that are short enough for a box."""
    found: list[str] = []
    for line in lines:
        words = line.split()
        current = words[0] if words else ""
        for word in words[1:]:
            if len(current) + 1 + len(word) > _LETTERS:
                found.append(current)
                current = word
            else:
                current = f"{current} {word}"
        found.append(current)
    return found


def _edge(start: tuple[int, int], above: int, end: tuple[int, int], below: int) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + above // 2
    x2, y2 = end[0], end[1] + below // 2
    bend = max(20, (x2 - x1) // 2)
    return f'<path d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'


def _box(graph: Graph, name: str, place: tuple[int, int]) -> Iterator[str]:
    x, y = place
    lines = _wrapped(graph.labels[name])
    link = graph.links.get(name)
    if link:
        yield f'<a href="{escape(link)}">'
    yield f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_height(lines)}" rx="5"/>'
    for number, line in enumerate(lines):
        middle, base = x + _WIDTH // 2, y + 17 + _LINE * number
        yield f'<text x="{middle}" y="{base}">{escape(line)}</text>'
    if link:
        yield "</a>"
