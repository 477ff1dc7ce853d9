"""`update` in a process of its own, which may be killed, or starved of disk."""

import os
import resource
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.definitions import build_definitions
from pipeline_assets.domains import ratings
from pipeline_assets.domains.ratings.assets import FILES
from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.instance import open_instance
from pipeline_assets.orchestration.told import fail_abandoned_runs
from pipeline_assets.settings import Settings
from pipeline_assets.staleness.stale_partitions import IsForced
from pipeline_assets_tests.processes import CONTEXT
from pipeline_assets_tests.updating import Updated, update

ASSETS = datasets_in(ratings).assets

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key-of-the-tests",
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_PATIENCE_SECONDS = 300

Ending = Literal["done", "failed", "killed", "crashed"]


@dataclass(frozen=True)
class Outcome:
    """How an update ended: what it made, or what it says went wrong, a line each."""

    ending: Ending
    made: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Order:
    """What to update and under which circumstances.

    Attributes:
        settings: Of the lake.
        tables: How many of the domain's assets there are.
        largest_file: No file can grow beyond so many bytes, as on a disk that is full.
        repair: Read everything, and materialise what is damaged.
        again: An asset to materialise although nothing has changed.
        synced: Where to record what is brought to the disk.
    """

    settings: Settings
    tables: int
    largest_file: int | None = None
    repair: bool = False
    again: str | None = None
    synced: Path | None = None


class Update:
    """An update that has been started."""

    def __init__(self, order: Order) -> None:
        self._answer, there = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_update, args=(order, CREDENTIALS, there))
        self._process.start()
        there.close()

    def is_over(self, seconds: float) -> bool:
        """Wait for its end, but not longer."""
        self._process.join(seconds)
        return self._process.exitcode is not None

    def kill(self) -> None:
        """As the system does that runs out of memory."""
        self._process.kill()

    def outcome(self) -> Outcome:
        """Wait for its end, for minutes if need be."""
        try:
            if self._answer.poll(_PATIENCE_SECONDS):
                return _received(self._answer)
            self.kill()
            return Outcome("crashed", said=(f"no end after {_PATIENCE_SECONDS} s",))
        finally:
            self._process.join()


def _received(answer: Connection) -> Outcome:
    try:
        outcome = answer.recv()
    except EOFError:
        return Outcome("killed")
    assert isinstance(outcome, Outcome)
    return outcome


def _update(order: Order, environment: Mapping[str, str], answer: Connection) -> None:
    os.environ.update(environment)
    os.chdir(order.settings.dagster_home)
    warnings.simplefilter("ignore")
    try:
        updated = _updated(order)
        outcome = Outcome("failed" if updated.failures else "done", updated.made, updated.failures)
    except PipelineError as error:
        outcome = Outcome("failed", said=(str(error),))
    except Exception as error:
        outcome = Outcome("crashed", said=(f"{type(error).__name__}: {error}",))
    answer.send(outcome)


def _updated(order: Order) -> Updated:
    if order.largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.largest_file, order.largest_file))
    if order.synced:
        record_syncs(order.synced)
    settings, assets = order.settings, ASSETS[: order.tables]
    with open_instance(settings.dagster_home, Path.cwd()) as instance:
        definitions = build_definitions(settings, assets=assets)
        updater = Updater(assets, [FILES], Deployment(settings), instance, definitions=definitions)
        fail_abandoned_runs(updater.instance)
        return update(updater, is_forced=_forced(order, assets))


def _forced(order: Order, assets: Sequence[LakeAsset]) -> IsForced:
    if order.repair:
        found = Deployment(order.settings).verifier(deep=True).verify_all(assets)
        damaged = {
            (asset.name, key)
            for asset, result in found
            if not isinstance(result, PipelineError)
            for damage in result.damages
            for key in damage.keys
        }
        return lambda asset, key: (asset.name, key) in damaged
    return lambda asset, _: asset.name == order.again


def record_syncs(journal: Path) -> None:
    """Record inode and size of every file that this process brings to the disk from now on."""
    journal.unlink(missing_ok=True)
    journal.with_suffix(".start").touch()
    to_disk = os.fsync

    def recorded(descriptor: Any) -> None:  # noqa: ANN401 - as os.fsync takes it
        to_disk(descriptor)
        status = os.fstat(descriptor)
        with journal.open("a") as lines:
            lines.write(f"{status.st_ino} {status.st_size}\n")

    os.fsync = recorded  # type: ignore[assignment]
