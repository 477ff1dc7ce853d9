"""The landing zone: what vendors delivered, and which partition each object belongs to."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile

from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.objects import ObjectStore, StoredObject


@dataclass(frozen=True)
class Sighting:
    """An object, its path below the landing zone, and the partition key in it, if it matches."""

    path: str
    key: str | None
    item: StoredObject


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

    def scan(self, source: LandingSource, after: str = "") -> Iterator[Sighting]:
        """A source's objects in the order of their paths, without those it ignores.

        Args:
            source: Whose.
            after: Only those whose path comes after this one.

        Raises:
            PipelineError: The landing zone cannot be listed.
        """
        self.store.require(self.uri)
        start = f"{self.uri}/{after}" if after else ""
        for item in self.store.list(f"{self.uri}/{source.prefix}", start):
            path = item.uri.removeprefix(self.uri).lstrip("/")
            is_folder = path.endswith("/")  # as S3's console makes them
            if not is_folder and not source.ignored.fullmatch(path):
                yield Sighting(path, source.key_of(path), item)

    def list(self, source: LandingSource) -> Listing:
        """Sort a source's objects into partitions; those of an open window of time wait.

        Raises:
            PipelineError: The landing zone cannot be listed.
        """
        found: dict[str, list[StoredObject]] = defaultdict(list)
        problems: list[str] = []
        for sighting in self.scan(source):
            problem = source.complaint(sighting.path)
            if problem or sighting.key is None:
                problems.append(problem or "")
            elif not source.partitioning.is_open(sighting.key):
                found[sighting.key].append(sighting.item)
        return Listing({key: tuple(items) for key, items in found.items()}, tuple(problems))

    def partition(self, source: LandingSource, key: str) -> tuple[StoredObject, ...]:
        """The objects of one partition, found without listing the others.

        Raises:
            PipelineError: The landing zone cannot be listed.
        """
        stem = source.stem(key)
        near = takewhile(lambda it: it.path.startswith(stem), self.scan(source, after=stem))
        return tuple(sighting.item for sighting in near if sighting.key == key)
