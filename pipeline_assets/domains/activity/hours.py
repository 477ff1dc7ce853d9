"""Which hour an event belongs to, found in the bytes of its line before anybody parses it.

An hour is that of ``occurred_at`` in UTC. A line that says none, or one that cannot be, lies in the
hour in which it arrived, where the table of events rejects it.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

HOUR: Final = "%Y-%m-%dT%H"
_AHEAD: Final = timedelta(hours=1)
"""A device's clock may be so far ahead; a later event would wait for an hour that is to come."""
_KEY: Final = b'"occurred_at"'
_TEXT: Final = re.compile(rb'"occurred_at"\s*:\s*"(\d{4}-\d\d-\d\d)[T ](\d\d):\d\d:\d\d')
_PLAIN: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d):\d\d:\d\d")


@dataclass
class Hours:
    """Sorts lines by hour.

    Attributes:
        first: The first hour that the tables have; earlier events lie where they arrived.
        lines: By hour, in the order in which they came.
    """

    first: str
    lines: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    _known: dict[str, bool] = field(default_factory=dict)

    def add(self, lines: Iterable[bytes], arrived: datetime) -> None:
        """Sort the lines of one record.

        Args:
            lines: A line for each event.
            arrived: When the record came, in UTC.
        """
        latest = (arrived + _AHEAD).strftime(HOUR)
        for line in lines:
            hour = said_hour(line)
            is_hour = self.first <= hour <= latest and self._exists(hour)
            self.lines[hour if is_hour else arrived.strftime(HOUR)].append(line)

    def _exists(self, hour: str) -> bool:
        if hour not in self._known:
            self._known[hour] = _is_hour(hour)
        return self._known[hour]


def said_hour(line: bytes) -> str:
    """The hour that a line says, as it is written; empty if it says none.

    >>> said_hour(b'{"occurred_at": "2026-01-31T23:59:59Z"}')
    '2026-01-31T23'
    """
    if line.count(_KEY) == 1:
        found = _TEXT.search(line)
        return f"{found[1].decode()}T{found[2].decode()}" if found else ""
    try:
        event = json.loads(line)
    except ValueError:
        return ""
    text = event.get("occurred_at") if isinstance(event, dict) else None
    said = _PLAIN.match(text) if isinstance(text, str) else None
    return f"{said[1]}T{said[2]}" if said else ""


def _is_hour(hour: str) -> bool:
    try:
        return datetime.strptime(hour, HOUR).strftime(HOUR) == hour
    except ValueError:
        return False
