"""The bytes of a landed text file, chunk by chunk, inflated where they are gzip."""

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from isal import igzip, isal_zlib

from pipeline_assets.dataset.values.expansion import LANDING_EXPANSION, ExpansionLimit
from pipeline_assets.errors import PipelineError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP_MAGIC = b"\x1f\x8b"
# The stub of isal declares its error as an instance.
_IsalError = cast(type[Exception], isal_zlib.IsalError)


class _Raw(io.RawIOBase):
    """Gives a stream that can only `read` what buffered readers ask for."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.total = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - typeshed's buffer protocol
        filled = 0
        while data := self._stream.read(len(buffer) - filled):
            buffer[filled : filled + len(data)] = data
            filled += len(data)
        self.total += filled
        return filled


def inflated_chunks(
    source_uri: str, stream: BinaryIO, size: int, expansion: int = LANDING_EXPANSION
) -> Iterator[bytes]:
    """The file's text in chunks of a size, decompressed, without its byte order mark.

    Args:
        source_uri: The file's, for errors.
        stream: Its bytes.
        size: Of the chunks.
        expansion: How many bytes one compressed byte may unfold to.

    Raises:
        PipelineError: It is no whole gzip file, or unfolds to more than that.
    """
    raw, limit = _Raw(stream), ExpansionLimit(source_uri, expansion)
    buffered = io.BufferedReader(raw, 1 << 20)
    text = _decompressed(buffered) if buffered.peek(2)[:2] == _GZIP_MAGIC else buffered
    try:
        yield text.read(len(_BYTE_ORDER_MARK)).removeprefix(_BYTE_ORDER_MARK)
        unfolded = 0
        while chunk := text.read(size):
            unfolded += len(chunk)
            limit.require(unfolded, raw.total)
            yield chunk
    except (EOFError, igzip.BadGzipFile, _IsalError) as error:
        raise PipelineError(
            f"{source_uri} is no whole gzip file, deliver it again: {error}"
        ) from error


def _decompressed(stream: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, igzip.IGzipFile(fileobj=stream))  # type: ignore[no-untyped-call]
