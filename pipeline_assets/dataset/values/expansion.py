"""How far a compressed delivery may unfold.

A megabyte of gzip can hold a gigabyte of newlines, and every one of them would become a stored row.
Deliveries of real text unfold to between three and thirty times their size.
"""

from dataclasses import dataclass
from typing import Final

from pipeline_assets.errors import PipelineError

LANDING_EXPANSION: Final = 100
"""How many bytes one byte of a compressed delivery may unfold to, unless the settings differ."""

FREE_BYTES: Final = 8 << 20
"""So much any delivery may hold: small files of few different lines compress extremely well."""


@dataclass(frozen=True)
class ExpansionLimit:
    """The most bytes that a delivery may hold for each byte of it that was read.

    Attributes:
        uri: The delivery's, for the error.
        times: How many.
    """

    uri: str
    times: int

    def require(self, unfolded: int, read: int) -> None:
        """Check what was unfolded so far.

        Raises:
            PipelineError: It is too much.
        """
        if unfolded > max(FREE_BYTES, self.times * read):
            raise PipelineError(
                f"{self.uri} unfolds to more than {self.times} times its size: {unfolded:,} bytes "
                f"from the first {read:,}; if it is sound, raise PIPELINE_LANDING_EXPANSION"
            )
