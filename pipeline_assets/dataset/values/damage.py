"""What is not as it was published."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Damage:
    """One file, or one thing outside the lake, that is not what was published.

    Attributes:
        uri: Of it.
        what: What is wrong.
        keys: The partitions that it belongs to; empty if that is not known.
    """

    uri: str
    what: str
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.uri} {self.what}"
