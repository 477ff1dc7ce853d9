"""What people, disks and clocks do to a lake between updates, and what has to hold all the same.

A catalog is lost, emptied, replaced by an older one or mistaken for another; a published file is
deleted, cut or changed by a bit; somebody cleans while somebody else restores.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import sqlite_path, sqlite_uri
from pipeline_assets.iceberg.upkeep.cleaning import clean
from pipeline_assets.iceberg.upkeep.recovery import recover
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.profiles.profiles import PROFILES
from pipeline_assets.settings import Settings
from pipeline_assets_tests.chaos.updates import Order, Update
from pipeline_assets_tests.chaos.zone import marks

LOST, EMPTIED, OLD = "catalog lost", "catalog emptied", "catalog of an older backup"
WRONG = "wrong catalog in the settings"
MISSING, CUT, FLIPPED = "published file deleted", "published file cut", "bit flipped in a file"
BESIDE = "clean beside restore"
MISHAPS: Final = (LOST, EMPTIED, OLD, WRONG, MISSING, CUT, FLIPPED, BESIDE)
_ALWAYS: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Mishap:
    """One mishap of a lake.

    Attributes:
        settings: Of the lake.
        assets: What is published there.
        chance: Chooses what is hit.
        saved: The catalog before the last update; None if there was none.
    """

    settings: Settings
    assets: tuple[LakeAsset, ...]
    chance: Random
    saved: bytes | None = None

    @property
    def deployment(self) -> Deployment:
        """Opened anew, as by another process."""
        return Deployment(self.settings)

    def befall(self, kind: str) -> list[str]:
        """Let it happen, mend it, and return what did not hold."""
        if not marks(self.settings, self.assets):
            return []
        if kind in (LOST, EMPTIED, OLD):
            return self._lose_catalog(kind)
        if kind == WRONG:
            return self._mistake_catalog()
        return self._restore_while_cleaning() if kind == BESIDE else self._damage(kind)

    def _lose_catalog(self, kind: str) -> list[str]:
        catalog = catalog_of(self.settings)
        places, before = marks(self.settings, self.assets).keys(), self._files()
        if kind == EMPTIED or (kind == OLD and self.saved is not None):
            catalog.write_bytes(self.saved or b"" if kind == OLD else b"")
        else:
            catalog.unlink()
        for _ in range(2):
            self._clean()
        wrong = [] if kind == OLD or self._files() == before else ["files were removed"]
        found = list(recover(self.deployment.lake.access))
        wrong += [loss for table in found for loss in table.losses]
        gone = places - marks(self.settings, self.assets).keys()
        return [f"{kind}: {it}" for it in (*wrong, *(f"{place} is lost" for place in gone))]

    def _mistake_catalog(self) -> list[str]:
        elsewhere = self.settings.dagster_home / "elsewhere.db"
        settings = self.settings.model_copy(update={"catalog_uri": sqlite_uri(elsewhere)})
        mistaken, before = Mishap(settings, self.assets, self.chance), self._files()
        for _ in range(2):
            mistaken._clean()
        wrong = [] if self._files() == before else ["files were removed"]
        try:
            wrong.append(f"a reader was told {marks(settings, self.assets)}")
        except PipelineError as error:
            wrong += [] if "recover" in str(error) else [f"no remedy: {error}"]
        elsewhere.unlink(missing_ok=True)
        return [f"{WRONG}: {it}" for it in wrong]

    def _damage(self, kind: str) -> list[str]:
        store, lake = self.deployment.store(self.settings.lake_uri), self.deployment.lake
        files = [uri for asset in self.assets for uri in lake.read(asset.table).files]
        uri = self.chance.choice(files)
        with store.open(uri) as stream:
            data = bytearray(stream.read())
        if kind == MISSING:
            store.delete([uri])
        else:
            data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)
            left = self.chance.randrange(len(data)) if kind == CUT else len(data)
            store.put(uri, bytes(data[:left]))
        wrong = [] if self._damaged() == [uri] else [f"{uri} is not named"]
        outcome = Update(Order(self.settings, len(self.assets), repair=True)).outcome()
        wrong += [] if outcome.ending == "done" else [f"no repair: {outcome.said}"]
        return [f"{kind}: {it}" for it in (*wrong, *(f"{it} stays" for it in self._damaged()))]

    def _restore_while_cleaning(self) -> list[str]:
        lake = self.deployment.lake
        asset = self.chance.choice([asset for asset in self.assets if not asset.export])
        entry = self.chance.choice(lake.history(asset.table))
        cleaning = threading.Thread(target=self._clean)
        cleaning.start()
        said = ""
        try:
            lake.restore(asset.table, entry.snapshot_id)
        except PipelineError as error:
            said = str(error)
        cleaning.join()
        self._clean()
        wrong = [] if "has no snapshot" in said or not said else [said]
        wrong += self._damaged()
        outcome = Update(Order(self.settings, len(self.assets), again=asset.name)).outcome()
        wrong += [] if outcome.ending == "done" else [f"not materialised again: {outcome.said}"]
        return [f"{BESIDE}: {it}" for it in wrong]

    def _clean(self) -> None:
        store = self.deployment.store(self.settings.lake_uri)
        tables = [*(asset.table for asset in self.assets), PROFILES]
        list(clean(self.deployment.lake, store, tables, _ALWAYS))

    def _damaged(self) -> list[str]:
        found = self.deployment.verifier(deep=True).verify_all(self.assets)
        return [line for _, result in found for line in _lines(result)]

    def _files(self) -> set[str]:
        listed = self.deployment.store(self.settings.lake_uri).list(self.settings.lake_uri)
        return {it.uri for it in listed if "/catalog.db" not in it.uri}


def _lines(result: object) -> Iterable[str]:
    if isinstance(result, PipelineError):
        return [str(result)]
    return [damage.uri for damage in getattr(result, "damages", ())]


def catalog_of(settings: Settings) -> Path:
    """The file of a lake's catalog."""
    path = sqlite_path(Deployment(settings).lake.access.uri)
    assert path
    return path


def drop_unsynced(settings: Settings, synced: Path) -> int:
    """Leave of each file of a lake what was brought to the disk, as a power cut does.

    Args:
        settings: Of a lake in a folder.
        synced: What :func:`pipeline_assets_tests.chaos.updates.record_syncs` has recorded.

    Returns:
        The number of files that were cut.
    """
    kept: dict[str, int] = {}
    for line in synced.read_text().splitlines() if synced.exists() else ():
        inode, _, size = line.partition(" ")
        kept[inode] = max(int(size), kept.get(inode, 0))
    started = synced.with_suffix(".start").stat().st_mtime_ns
    dropped = 0
    for path in Path(settings.lake_uri).rglob("*"):
        status = path.stat()
        if not path.is_file() or path.name.startswith("catalog.db"):
            continue
        if status.st_mtime_ns >= started and kept.get(str(status.st_ino), 0) < status.st_size:
            path.write_bytes(path.read_bytes()[: kept.get(str(status.st_ino), 0)])
            dropped += 1
    return dropped
