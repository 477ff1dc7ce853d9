"""The landing zone: what vendors delivered, and which partition each object belongs to."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final

from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.objects import ObjectStore, StoredObject
from pipeline_assets.dataset.values.texts import printable

_NEVER: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Sighting:
    """An object of the landing zone.

    Attributes:
        path: Its path below the landing zone; of one that nobody can read, written for people.
        key: The partition key in the path, if it matches.
        item: The object.
        fault: Why nobody can read it; empty if it can be read.
    """

    path: str
    key: str | None
    item: StoredObject
    fault: str = ""


@dataclass(frozen=True)
class Listing:
    """What lies in a source's prefix.

    Attributes:
        partitions: Objects by partition key.
        problems: One line for each object that nobody understands or can read.
        is_whole: Whether all of the prefix was listed, so that what is not there has gone.
    """

    partitions: Mapping[str, tuple[StoredObject, ...]]
    problems: tuple[str, ...]
    is_whole: bool = True


@dataclass(frozen=True)
class LandingZone:
    """A folder or an S3 prefix that vendors deliver to."""

    uri: str
    store: ObjectStore

    def scan(self, source: LandingSource, after: str = "") -> Iterator[Sighting]:
        """A source's objects in the order of their paths, without those it ignores.

        Objects that cannot be read come at any place, and have no key.

        Args:
            source: Whose.
            after: Only those whose path comes after this one.

        Raises:
            PipelineError: The landing zone cannot be listed.
        """
        self.store.require(self.uri)
        start = f"{self.uri}/{after}" if after else ""
        faults: list[tuple[str, str]] = []
        listed = self.store.list(
            f"{self.uri}/{source.prefix}", start, lambda uri, fault: faults.append((uri, fault))
        )
        for item in listed:
            path = self._path(item.uri)
            is_folder = path.endswith("/")  # as S3's console makes them
            if is_folder or source.ignores(path):
                continue
            if printable(path) == path:
                yield Sighting(path, source.key_of(path), item)
            else:
                faults.append((item.uri, "has a name that is no plain UTF-8 text; rename it"))
        for uri, fault in faults:
            if not source.ignores(self._path(uri)):
                item = StoredObject(uri, "", 0, _NEVER)
                yield Sighting(printable(self._path(uri)), None, item, fault)

    def list(self, source: LandingSource) -> Listing:
        """Sort a source's objects into partitions; those of an open window of time wait.

        Raises:
            PipelineError: The landing zone cannot be listed.
        """
        found: dict[str, list[StoredObject]] = defaultdict(list)
        problems: list[str] = []
        is_whole = True
        for sighting in self.scan(source):
            is_whole = is_whole and not sighting.fault
            problem = _complaint(source, sighting)
            if problem or sighting.key is None:
                problems.append(problem or "")
            elif not source.partitioning.is_open(sighting.key):
                found[sighting.key].append(sighting.item)
        partitions = {key: tuple(items) for key, items in found.items()}
        return Listing(partitions, tuple(problems), is_whole)

    def deliveries(
        self, source: LandingSource, keys: Sequence[str]
    ) -> Mapping[str, tuple[StoredObject, ...]]:
        """The objects of those of some partitions that have any, in one pass over the listing.

        Only what lies between the first and the last of them is listed.

        Raises:
            PipelineError: The landing zone cannot be listed.
        """
        if not keys:
            return {}
        stems = sorted(map(source.stem, keys))
        wanted, found = set(keys), defaultdict[str, list[StoredObject]](list)
        near = takewhile(
            lambda it: it.path <= stems[-1] or it.path.startswith(stems[-1]),
            self.scan(source, after=stems[0]),
        )
        for sighting in near:
            if sighting.key in wanted and sighting.key is not None:
                found[sighting.key].append(sighting.item)
        return {key: tuple(found[key]) for key in keys if key in found}

    def _path(self, uri: str) -> str:
        return uri.removeprefix(self.uri).lstrip("/")


def _complaint(source: LandingSource, sighting: Sighting) -> str | None:
    if sighting.fault:
        return f"{sighting.path}: {sighting.fault}"
    return source.complaint(sighting.path)
