"""How often Python looks for garbage.

Nearly all that is imported stays, and to look at it again and again takes an eighth of the time of
a short command.
"""

import gc
from typing import Final

YOUNG_OBJECTS: Final = 50_000
"""So many come into being before Python looks for garbage among them; by itself it says 700."""


def look_for_garbage_less_often() -> None:
    """For as long as this process lives."""
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
