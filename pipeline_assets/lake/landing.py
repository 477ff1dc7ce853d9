"""The landing zone: what vendors delivered, and which partition each object belongs to."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import dagster as dg

from pipeline_assets.lake.partitioning import Partitioning
from pipeline_assets.lake.storage import ObjectStore, StoredObject

_FORBIDDEN_IN_KEYS = re.compile(r"[\x00-\x1f,/\\]|\.\.")


@dataclass(frozen=True)
class LandingSource:
    """The objects of one vendor delivery.

    Attributes:
        name: Also the name of the external asset ``landing/<name>``.
        prefix: Folder of the landing zone; all of it must match ``pattern`` or ``ignored``.
        pattern: Matches an object's path below the landing zone; its group ``key`` is the
            partition key.
        partitioning: Of the tables made from it.
        description: What the vendor delivers, for people.
        ignored: Matches objects that are no delivery, such as truth files of the samples.
    """

    name: str
    prefix: str
    pattern: re.Pattern[str]
    partitioning: Partitioning
    description: str
    ignored: re.Pattern[str] = re.compile(r".*/(truth\.json|\..*)")

    @property
    def key(self) -> dg.AssetKey:
        """Of the external asset."""
        return dg.AssetKey(["landing", self.name])

    def cut_as(self, before: Partitioning, after: Partitioning) -> "LandingSource":
        """The same source with another partitioning, if it has the one before."""
        return replace(self, partitioning=after) if self.partitioning is before else self

    def spec(self) -> dg.AssetSpec:
        """The external asset: Dagster sees it, vendors make it."""
        return dg.AssetSpec(
            self.key,
            description=self.description,
            group_name="landing",
            kinds={"file"},
            partitions_def=self.partitioning.definition,
            metadata={"pattern": self.pattern.pattern},
        ).with_io_manager_key("landing")


@dataclass(frozen=True)
class Listing:
    """What lies in a source's prefix: objects by partition key, and objects nobody understands."""

    partitions: Mapping[str, tuple[StoredObject, ...]]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class LandingZone:
    """A folder or an S3 prefix that vendors deliver to."""

    uri: str
    store: ObjectStore

    def list(self, source: LandingSource) -> Listing:
        """Sort a source's objects into partitions; those of an open window of time wait.

        Raises:
            PipelineError: The landing zone cannot be listed.
        """
        found: dict[str, list[StoredObject]] = defaultdict(list)
        problems: list[str] = []
        self.store.require(self.uri)
        for item in self.store.list(f"{self.uri}/{source.prefix}"):
            path = item.uri.removeprefix(self.uri).lstrip("/")
            if source.ignored.fullmatch(path):
                continue
            key, problem = _partition_of(source, path)
            if problem:
                problems.append(problem)
            elif not source.partitioning.is_open(key):
                found[key].append(item)
        return Listing({key: tuple(items) for key, items in found.items()}, tuple(problems))


def _partition_of(source: LandingSource, path: str) -> tuple[str, str | None]:
    """The partition key of a path, or why it has none."""
    match = source.pattern.fullmatch(path)
    if match is None:
        return "", f"{path}: not a name that landing/{source.name} knows; see its pattern"
    key = match["key"]
    complaint = source.partitioning.complaint(key)
    if complaint:
        return "", f"{path}: {source.partitioning.column} '{key}' {complaint}"
    if _FORBIDDEN_IN_KEYS.search(key):
        return "", f"{path}: '{key}' cannot be a partition key; rename the object"
    return key, None
