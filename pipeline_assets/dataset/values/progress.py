"""Telling whoever waits how far a long step is."""

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias


class Progress(Protocol):
    """Receives how much of something has been done."""

    def advance(self, what: str, amount: int, total: int | None) -> None:
        """``amount`` more bytes of ``what`` are done, out of ``total`` if that is known."""
        ...

    def published(self, table: str, rows: int) -> None:
        """Partitions of a table, named in brackets behind it, are published with so many rows."""
        ...


class Silent:
    """Tells nobody; for runs that Dagster shows by itself."""

    def advance(self, what: str, amount: int, total: int | None) -> None:
        """See :class:`Progress`."""

    def published(self, table: str, rows: int) -> None:
        """See :class:`Progress`."""


SILENT: Final = Silent()


Log: TypeAlias = Callable[[str], None]
