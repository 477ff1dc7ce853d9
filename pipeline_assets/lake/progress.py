"""Telling whoever waits how far a long step is."""

from typing import Protocol


class Progress(Protocol):
    """Receives how much of something has been done."""

    def advance(self, what: str, amount: int, total: int | None) -> None:
        """``amount`` more bytes or rows of ``what`` are done, out of ``total`` if that is known."""
        ...


class Silent:
    """Tells nobody; for runs that Dagster shows by itself."""

    def advance(self, what: str, amount: int, total: int | None) -> None:
        """See :class:`Progress`."""
