"""How vendors' delimited files are written, which columns are wanted of them, and their account.

They are read by :mod:`pipeline_assets.landing.delimited_reader`, which needs Arrow and numpy: who
only declares what lands does not import it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

MAX_RECORD_BYTES: Final = 16 << 20
_NUMBER: Final = "row_number"
_BEFORE: Final = ("source_uri", _NUMBER)
_BEHIND: Final = ("problem", "raw")


@dataclass(frozen=True)
class Dialect:
    """How fields are told apart: a one-character delimiter, and whether ``"`` quotes."""

    delimiter: str
    quoting: bool


TSV: Final = Dialect("\t", quoting=False)
"""Tab-separated, one record per line, no quote and no escape character: a ``"`` is data."""

RFC_4180: Final = Dialect(",", quoting=True)
"""Comma-separated; quoted fields may hold commas, line breaks and ``""``."""


@dataclass(frozen=True)
class Columns:
    """The columns wanted of every file of a table, found by name in any order.

    Raises:
        ValueError: A name is given twice or belongs to the reader.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [*_BEFORE, *self.names, *_BEHIND]
        if len(set(names)) < len(names):
            raise ValueError(f"columns must differ from each other and the reader's own: {names}")

    @property
    def names(self) -> tuple[str, ...]:
        """All wanted columns, required ones first."""
        return self.required + self.optional

    @property
    def schema(self) -> "pa.Schema":
        r"""The schema of the batches.

        ``source_uri``; ``row_number``, of the record in its file, from 1, the header not counted;
        the wanted columns; ``problem``, of :data:`pipeline_assets.landing.records.PROBLEMS` all
        that it has, joined by commas;
        ``raw``, the text of a record with a problem, where NUL and bytes that aren't UTF-8 are
        written like ``\xff``. A sound record has neither problem nor raw; one with a problem has
        null in all wanted columns. All are strings but the number.
        """
        import pyarrow as pa

        names = (*_BEFORE, *self.names, *_BEHIND)
        return pa.schema([(name, pa.int64() if name == _NUMBER else pa.string()) for name in names])


@dataclass(frozen=True)
class FileReport:
    """The account of one file, read to its end.

    Attributes:
        source_uri: Which file.
        records: How many records it has; each is a row of the batches.
        problems: How many of them have which problems.
        empty_lines: Lines without a character before the header.
        extra_columns: Header names nobody asked for.
        absent_columns: Optional columns it lacks; they are null in all of its rows.
    """

    source_uri: str
    records: int
    problems: Mapping[str, int]
    empty_lines: int
    extra_columns: tuple[str, ...]
    absent_columns: tuple[str, ...]

    @property
    def accepted(self) -> int:
        """Records without a problem."""
        return self.records - sum(self.problems.values())
