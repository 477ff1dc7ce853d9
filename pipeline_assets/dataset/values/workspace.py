"""What an ingesting function may use besides its landed objects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline_assets.dataset.partitioning import Window
from pipeline_assets.dataset.values.expansion import LANDING_EXPANSION
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.progress import Log, Progress

if TYPE_CHECKING:
    import pyarrow as pa


def _no_columns() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema([])


def _nobody(_uri: str, _data: bytes) -> None:
    """Nobody needs to know."""


@dataclass(frozen=True)
class Workspace:
    """What an ingesting function may use besides its landed objects.

    Attributes:
        keys: The partitions to materialise.
        store: Where raw files can be stored.
        location: A prefix below which nothing else writes.
        part_bytes: Size that raw text parts should have.
        progress: Told about bytes read.
        log: Told what people should know of what was read, a line at a time.
        schema: What the function yields.
        landing_expansion: How many bytes one byte of a compressed delivery may unfold to.
        windows: Of each partition, half-open, in UTC, where partitions are windows of time.
        stored: Called with the URI and the bytes of whatever is stored.
        landing: Where landed objects are, if that is another storage than the lake's.
    """

    keys: tuple[str, ...]
    store: ObjectStore
    location: str
    part_bytes: int
    progress: Progress
    log: Log
    schema: "pa.Schema" = field(default_factory=_no_columns)
    landing_expansion: int = LANDING_EXPANSION
    windows: Mapping[str, Window] = field(default_factory=dict)
    stored: Callable[[str, bytes], object] = _nobody
    landing: ObjectStore | None = None

    def put(self, path: str, data: bytes) -> str:
        """Store bytes below the location, and return their URI."""
        uri = f"{self.location}/{path}"
        self.store.put(uri, data)
        self.stored(uri, data)
        return uri
