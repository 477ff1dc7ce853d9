"""Releases: one name for a set of snapshots that belong together, to be read for as long as it is.

A release is a tag on each of its tables, which keeps the snapshots, and a manifest that names them:
``releases/NAME.json`` in the lake. Whoever trains on a release reads the same rows a year later.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.errors import PipelineError, UnknownNameError
from pipeline_assets.reading.open_lake import OpenLake
from pipeline_assets.reading.published_table import PublishedTable

FOLDER: Final = "releases"
_SUFFIX: Final = ".json"


@dataclass(frozen=True)
class ReleasedPartition:
    """A partition of a released table.

    Attributes:
        version: Of its rows: the same inputs, code and config give the same.
        code_version: Of the function that computed it.
        rows: How many there are.
        bytes: Of its files.
        config: What it was computed with, such as the policy of splits.
    """

    version: str
    code_version: str
    rows: int
    bytes: int
    config: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ReleasedTable:
    """A table of a release.

    Attributes:
        snapshot_id: The snapshot.
        checksum: Of the names, lengths and checksums of its files.
        partitions: What is in it, by key.
    """

    snapshot_id: int
    checksum: str
    partitions: Mapping[str, ReleasedPartition]

    @property
    def rows(self) -> int:
        """Of all partitions."""
        return sum(partition.rows for partition in self.partitions.values())


@dataclass(frozen=True)
class Release:
    """A named set of snapshots.

    Attributes:
        name: Its name.
        created_at: When, ISO 8601 in UTC.
        tables: The released tables by name, ``domain.name``.
    """

    name: str
    created_at: str
    tables: Mapping[str, ReleasedTable] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The name of the tag on each of its tables."""
        return tag_of(self.name)

    def table(
        self, lake: OpenLake, name: str, *, partition: str | Sequence[str] | None = None
    ) -> PublishedTable:
        """One of its tables, or some partitions of it, as it was when it was released.

        Raises:
            PipelineError: It is not part of the release, or cannot be read.
        """
        if name not in self.tables:
            raise UnknownNameError(
                f"Release {self.name} has no table {name}; it has {', '.join(self.tables)}"
            )
        return lake.table(name, partition=partition, snapshot=self.tables[name].snapshot_id)

    def to_json(self) -> bytes:
        """The manifest."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Release":
        """Read a manifest.

        Raises:
            ValueError: It is none.
        """
        read = json.loads(text)
        tables = {
            name: ReleasedTable(
                found["snapshot_id"],
                found["checksum"],
                {key: ReleasedPartition(**it) for key, it in found["partitions"].items()},
            )
            for name, found in read["tables"].items()
        }
        return cls(read["name"], read["created_at"], tables)


def tag_of(name: str) -> str:
    """The tag of a release's tables."""
    return f"release-{name}"


def uri_of(lake_uri: str, name: str) -> str:
    """Where the manifest of a release lies."""
    return f"{lake_uri}/{FOLDER}/{name}{_SUFFIX}"


def names_of_releases(store: ObjectStore, lake_uri: str) -> list[str]:
    """The releases of a lake.

    Raises:
        PipelineError: The lake cannot be read.
    """
    prefix = f"{lake_uri}/{FOLDER}"
    found = (it.uri.removeprefix(f"{prefix}/") for it in store.list(prefix))
    return sorted(it.removesuffix(_SUFFIX) for it in found if it.endswith(_SUFFIX))


def read_release(store: ObjectStore, lake_uri: str, name: str) -> Release:
    """A release of a lake.

    Raises:
        PipelineError: There is none of this name, or its manifest cannot be read.
    """
    names = names_of_releases(store, lake_uri)
    if name not in names:
        raise UnknownNameError(
            f"There is no release {name}; there are {', '.join(names) or 'none yet'}"
        )
    uri = uri_of(lake_uri, name)
    with closing(store.open(uri)) as stream:
        text = stream.read()
    try:
        return Release.from_json(text)
    except (ValueError, KeyError, TypeError) as error:
        raise PipelineError(f"{uri} is damaged") from error


def open_release(lake: OpenLake, name: str) -> Release:
    """A release of an opened lake.

    >>> from pipeline_assets import open_lake
    >>> with open_lake("lake") as lake:  # doctest: +SKIP
    ...     open_release(lake, "spring").table(lake, "taobao.vocabulary").to_polars()

    Raises:
        PipelineError: There is none of this name, or its manifest cannot be read.
    """
    return read_release(lake.access.store, lake.access.warehouse, name)
