"""What one vendor delivers, and which partition each object belongs to."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import dagster as dg

from pipeline_assets.dagster_internals import DATA_VERSION_TAG
from pipeline_assets.dataset.partitioning import Partitioning
from pipeline_assets.dataset.values.objects import StoredObject, fingerprint

_FORBIDDEN_IN_KEYS = re.compile(r"[\x00-\x1f,/\\]|\.\.")
_NO_DELIVERY: Final = re.compile(
    r"(.*/)?("
    r"\..*"  # hidden files, and what is still being written
    r"|truth\.json"  # of older samples
    # What Spark, Hadoop and Databricks leave beside their files.
    r"|_(SUCCESS|metadata|common_metadata|(committed|started)_[^/]*)"
    r"|_(temporary|spark_metadata|delta_log)(/.*)?"
    r"|[^/]*_\$folder\$"
    # What desktops leave, and what uploads, downloads and editors call a file before it is whole.
    r"|Thumbs\.db|desktop\.ini|__MACOSX/.*|~\$[^/]*|[^/]*~"
    r"|[^/]*\.(part|partial|filepart|crdownload|tmp|_COPYING_)"
    # Checksums beside the files that they are of.
    r"|[^/]*\.(crc|md5|sha1|sha256)"
    r")"
)

_NAMED_KEYS: Final = 500
"""More keys are not named in a question to Dagster's database, which is asked for all then."""


@dataclass(frozen=True)
class LandingSource:
    """The objects of one vendor delivery.

    Attributes:
        name: Also the name of the external asset ``landing/<name>``.
        prefix: Folder of the landing zone; all of it must match ``pattern`` or ``ignored``.
        pattern: Matches an object's path below the landing zone; its group ``key`` is the
            partition key. Before it there is plain text and after it there is more, so that a
            partition's objects are neighbours when paths are sorted.
        partitioning: Of the tables that are materialised from it.
        description: What the vendor delivers, for people.
        ignored: Matches further objects that are no delivery. Hidden files, the markers of other
            programs, such as ``_SUCCESS``, checksums and unfinished uploads never are.
        expected: How an object's path is written, for people; by default the pattern says it.
        stem_of: How the paths of a partition's objects begin, where there is more than plain text
            before the key.
    """

    name: str
    prefix: str
    pattern: re.Pattern[str]
    partitioning: Partitioning
    description: str
    ignored: re.Pattern[str] | None = None
    expected: str = ""
    stem_of: Callable[[str], str] | None = None

    @property
    def key(self) -> dg.AssetKey:
        """Of the external asset."""
        return dg.AssetKey(["landing", self.name])

    @property
    def shape(self) -> str:
        """How an object's path is written."""
        return self.expected or self.pattern.pattern

    def ignores(self, path: str) -> bool:
        """Whether an object is no delivery, and nobody needs to be told of it."""
        own = self.ignored is not None and self.ignored.fullmatch(path)
        return bool(own or _NO_DELIVERY.fullmatch(path))

    def key_of(self, path: str) -> str | None:
        """The partition key in an object's path; None if there is none that Dagster can use."""
        match = self.pattern.fullmatch(path)
        return match["key"] if match and not _FORBIDDEN_IN_KEYS.search(match["key"]) else None

    def stem(self, key: str) -> str:
        """How the paths of a partition's objects begin."""
        if self.stem_of:
            return self.stem_of(key)
        return self.pattern.pattern.partition("(?P<key>")[0] + key

    def complaint(self, path: str) -> str | None:
        """Why an object belongs to no partition; None if it does belong to one."""
        match = self.pattern.fullmatch(path)
        if match is None:
            return f"{path}: no name that landing/{self.name} knows; it should be {self.shape}"
        complaint = self.partitioning.complaint(match["key"])
        if complaint:
            return f"{path}: {self.partitioning.column} '{match['key']}' {complaint}"
        if self.key_of(path) is None:
            return f"{path}: '{match['key']}' cannot be a partition key; rename the object"
        return None

    def unreported(
        self, partitions: Mapping[str, Sequence[StoredObject]], instance: dg.DagsterInstance
    ) -> list[dg.AssetMaterialization]:
        """What to tell Dagster of partitions' objects, but for those that it has been told of.

        Dagster is asked one question for all partitions, because one for each takes long where
        there are thousands.
        """
        known = instance.event_log_storage.get_latest_tags_by_partition(
            self.key,
            dg.DagsterEventType.ASSET_MATERIALIZATION,
            tag_keys=[DATA_VERSION_TAG],
            asset_partitions=list(partitions) if len(partitions) <= _NAMED_KEYS else None,
        )
        versions = {key: fingerprint(objects) for key, objects in partitions.items()}
        return [
            self._report(key, objects, versions[key])
            for key, objects in partitions.items()
            if known.get(key, {}).get(DATA_VERSION_TAG) != versions[key]
        ]

    def _report(
        self, key: str, objects: Sequence[StoredObject], version: str
    ) -> dg.AssetMaterialization:
        return dg.AssetMaterialization(
            self.key,
            partition=key,
            metadata={
                "objects": dg.MetadataValue.json([item.uri for item in objects]),
                "bytes": sum(item.size for item in objects),
            },
            tags={DATA_VERSION_TAG: version},
        )

    def with_partitioning(self, before: Partitioning, after: Partitioning) -> "LandingSource":
        """The same source with another partitioning, if it has the one before."""
        return replace(self, partitioning=after) if self.partitioning is before else self

    def spec(self) -> dg.AssetSpec:
        """The external asset: vendors deliver it, and Dagster shows it."""
        return dg.AssetSpec(
            self.key,
            description=self.description,
            group_name="landing",
            kinds={"file"},
            partitions_def=self.partitioning.definition,
            metadata={"pattern": self.pattern.pattern},
        ).with_io_manager_key("landing_io_manager")
