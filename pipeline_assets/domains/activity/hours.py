"""Which hour an event belongs to, found in the bytes of its line before anybody parses it.

An hour is that of ``occurred_at`` in UTC. A line that says none, or one that cannot be, lies in the
hour in which it arrived, where the table of events rejects it.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

HOUR: Final = "%Y-%m-%dT%H"
_HOUR_SECONDS: Final = 3600
_AHEAD: Final = timedelta(hours=1)
"""A device's clock may be so far ahead; a later event would wait for an hour that is to come."""
_KEY: Final = b'"occurred_at"'
_TEXT: Final = re.compile(rb'"occurred_at"\s*:\s*"(\d{4}-\d\d-\d\d[T ]\d\d):\d\d:\d\d')
_PLAIN: Final = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d):\d\d:\d\d")


@dataclass
class Hours:
    """Sorts lines by hour.

    Attributes:
        first: The first hour that the tables have; earlier events lie where they arrived.
        lines: By hour, in the order in which they came.
    """

    first: str
    lines: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    _places: dict[tuple[str, int], str] = field(default_factory=dict)

    def add(self, lines: Iterable[bytes], arrived: Iterable[datetime]) -> None:
        """Sort some lines.

        Args:
            lines: A line for each event.
            arrived: When the record of each came, with its time zone.
        """
        for line, moment in zip(lines, arrived, strict=True):
            place = (said_hour(line), int(moment.timestamp()) // _HOUR_SECONDS)
            if place not in self._places:  # Lines by the million share a few pairs of hours.
                self._places[place] = self._hour(*place)
            self.lines[self._places[place]].append(line)

    def _hour(self, said: str, arrival: int) -> str:
        arrived = datetime.fromtimestamp(arrival * _HOUR_SECONDS, UTC)
        latest = (arrived + _AHEAD).strftime(HOUR)
        is_hour = self.first <= said <= latest and _is_hour(said)
        return said if is_hour else arrived.strftime(HOUR)


def said_hour(line: bytes) -> str:
    """The hour that a line says, as it is written; empty if it says none.

    >>> said_hour(b'{"occurred_at": "2026-01-31T23:59:59Z"}')
    '2026-01-31T23'
    """
    if line.count(_KEY) == 1:
        found = _TEXT.search(line)
        return found[1].decode().replace(" ", "T") if found else ""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    text = event.get("occurred_at") if isinstance(event, dict) else None
    said = _PLAIN.match(text) if isinstance(text, str) else None
    return said[1].replace(" ", "T") if said else ""


def _is_hour(hour: str) -> bool:
    try:
        return datetime.strptime(hour, HOUR).strftime(HOUR) == hour
    except ValueError:
        return False
