"""What all training sets agree on: the indices with a meaning of their own, and the parts."""

from typing import Final

PADDING: Final = 0
"""The index of no token."""
UNKNOWN: Final = 1
"""The index of whatever training does not know."""
FIRST_INDEX: Final = 2
"""Known ones follow from here, the most frequent first."""
PARTS: Final = ("train", "validation", "test")
