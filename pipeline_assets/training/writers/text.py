"""Text files of rows, written one batch at a time."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv


def write_text(
    file: Path, header: Sequence[str], batches: Iterable[Mapping[str, pa.Array]], delimiter: str
) -> None:
    """Write a header and rows; no value may hold the delimiter, a quote or a line break.

    Args:
        file: A new one.
        header: What the first line says of the columns.
        batches: The columns in that order.
        delimiter: Between columns.
    """
    options = pcsv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style="none")
    with file.open("wb") as stream:
        stream.write((delimiter.join(header) + "\n").encode())
        for columns in batches:
            # By position: a number without a header is as good a name as any.
            names = [str(place) for place in range(len(columns))]
            rows = pa.RecordBatch.from_arrays(list(columns.values()), names)
            pcsv.write_csv(rows, stream, options)


def joined_by_blanks(offsets: pa.Array, values: pa.Array) -> pa.Array:
    """Lists as text; 32-bit numbers keep every digit that tells them apart."""
    return pc.binary_join(pa.ListArray.from_arrays(offsets, values.cast(pa.string())), " ")
