"""What a user of a writer decides, and what the format has no place for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline_assets.errors import PipelineError


@dataclass(frozen=True)
class Choice:
    """What is written of a release.

    Attributes:
        table: The table of the rows, such as ``taobao.encoded_impressions``.
        partitions: Those of the table; none stands for all.
        fields: Features, by their columns; none stands for all.
    """

    table: str
    partitions: Sequence[str] = ()
    fields: Sequence[str] = ()


@dataclass(frozen=True)
class Options:
    """How it is written; each format looks at what concerns it.

    Attributes:
        files: Files for each part, with equally many rows but for one.
        max_length: The most tokens of a list, for formats whose rows are all equally long; of a
            longer list the first ones in the vendor's order are kept.
    """

    files: int = 1
    max_length: int = 50

    def __post_init__(self) -> None:
        if self.files < 1 or self.max_length < 1:
            raise PipelineError("There must be at least one file and one token of a list")


@dataclass
class Losses:
    """What was left out, by what it is: ``tokens of f109_14 beyond 50``."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, count: int) -> None:
        """Count something; nothing is not counted."""
        if count:
            self.counts[what] = self.counts.get(what, 0) + count
