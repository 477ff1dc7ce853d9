"""What vendors deliver to the lake of a trial, and what each delivery has to become."""

import gzip
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.objects import ObjectStore, fingerprint
from pipeline_assets.domains.ratings.assets import FILES
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.reading.query import query
from pipeline_assets.sample.ratings import SUFFIXES, write_ratings
from pipeline_assets.settings import Settings
from pipeline_assets.storage.objects import LocalStore

Mark: TypeAlias = tuple[int, str]
"""Rows of a partition, and the sum of their hashes: equal for equal multisets of rows."""

Marks: TypeAlias = Mapping[tuple[str, str], Mark]
"""By table and category."""

CATEGORIES = tuple(SUFFIXES)


@dataclass(frozen=True)
class Delivery:
    """One version of one category's file."""

    category: str
    variant: int

    @property
    def path(self) -> str:
        """Below the landing zone."""
        return f"amazon_reviews/amazon_reviews_us_{self.category}_v1_00{SUFFIXES[self.category]}"


def write_variants(folder: Path, variants: int) -> Path:
    """Write so many versions of the categories' files, of different sizes and with other faults."""
    for variant in range(variants):
        # Of like sizes: what loses half of its rows would be refused as a bad delivery.
        scale, damage = 0.01 * (1 + variant / 4), 0.02 * variant
        write_ratings(folder / str(variant), scale, seed=variant, damage=damage)
    return folder


@dataclass(frozen=True)
class Zone:
    """A landing zone that objects are put into as vendors do: whole.

    Attributes:
        variants: What :func:`write_variants` wrote.
        uri: Of the landing zone.
        store: Where it lies.
    """

    variants: Path
    uri: str
    store: ObjectStore

    def land(self, delivery: Delivery, age: float = 0.0) -> str:
        """Create or overwrite an object.

        Args:
            delivery: Which one.
            age: How long ago it was written by the vendor's clock, in seconds; only in a folder.

        Returns:
            The version that this gives the partition.
        """
        return self._put(delivery, self._content(delivery), age)

    def spoil(self, delivery: Delivery, *, header_only: bool) -> None:
        """Overwrite an object by one that holds nothing of use: a header, or nonsense for stars."""
        content = self._content(delivery)
        is_gzip = content.startswith(b"\x1f\x8b")
        header, *lines = (gzip.decompress(content) if is_gzip else content).splitlines(
            keepends=True
        )
        stars = header.split(b"\t").index(b"star_rating")
        spoilt = [] if header_only else [_without_stars(line, stars) for line in lines]
        data = b"".join([header, *spoilt])
        self._put(delivery, gzip.compress(data) if is_gzip else data, 0.0)

    def remove(self, delivery: Delivery) -> None:
        """Take an object back."""
        self.store.delete([f"{self.uri}/{delivery.path}"])

    def _content(self, delivery: Delivery) -> bytes:
        return (self.variants / str(delivery.variant) / delivery.path).read_bytes()

    def _put(self, delivery: Delivery, data: bytes, age: float) -> str:
        uri = f"{self.uri}/{delivery.path}"
        if isinstance(self.store, LocalStore):
            _replace(Path(uri), data, time.time() - age)
        else:
            self.store.put(uri, data)
        return fingerprint(
            it for it in self.store.list(f"{self.uri}/{FILES.prefix}") if it.uri == uri
        )


def _without_stars(line: bytes, place: int) -> bytes:
    fields = line.split(b"\t")
    return b"\t".join([*fields[:place], b"many", *fields[place + 1 :]])


def _replace(path: Path, data: bytes, modified: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid4().hex}")
    partial.write_bytes(data)
    os.utime(partial, (modified, modified))
    partial.replace(path)


def marks(settings: Settings, assets: Sequence[LakeAsset]) -> dict[tuple[str, str], Mark]:
    """What is published, as any reader sees it, in one answer about all tables."""
    deployment, sql = Deployment(settings), " UNION ALL ".join(map(_marks_sql, assets))
    tables = [asset.table for asset in assets]
    with query(sql, deployment.lake, tables, deployment.embedded) as answer:
        return {(table, category): (rows, total) for table, category, rows, total in answer.rows}


def _marks_sql(asset: LakeAsset) -> str:
    """Places differ between lakes: of them only the name counts."""
    places = [name for name in ("source_uri", "uri") if name in asset.table.contract.schema]
    names = [f"regexp_extract({name}, '[^/]+$') AS {name}" for name in places]
    columns = f"* REPLACE ({', '.join(names)})" if names else "*"
    total = "sum(hash(it::VARCHAR)::HUGEINT)::VARCHAR"
    return (
        f"SELECT '{asset.table.name}', category, count(*), {total} "
        f"FROM (SELECT {columns} FROM {asset.table}) it GROUP BY category"
    )
