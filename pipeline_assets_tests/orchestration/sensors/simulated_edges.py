"""How landing sensors see the simulated world: as a deployment and a queue that can fail.

A listing breaks off half-way, the lake does not answer, events come twice, late and in any order.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline_assets.dataset.values.objects import OnFault, StoredObject
from pipeline_assets.dataset.values.table import PartitionRecord, Readable
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import CatalogAccess
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.landing.zone import LandingZone
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.sensors.downstream import DownstreamAssets
from pipeline_assets.orchestration.sensors.s3_events import Message
from pipeline_assets.settings import Settings
from pipeline_assets.storage.objects import LocalStore
from pipeline_assets_tests.orchestration.sensors.boxes import ASSETS, SOURCE
from pipeline_assets_tests.orchestration.sensors.simulated_world import ZONE, World


@dataclass(frozen=True)
class Objects(LocalStore):
    """The landing zone's objects; a listing of it can break off half-way."""

    world: World

    def require(self, root: str) -> None:
        pass

    def list(
        self,
        prefix: str,
        after: str = "",
        on_fault: OnFault | None = None,  # noqa: ARG002
    ) -> Iterator[StoredObject]:
        found = [item for _, item in self.world.listing() if item.uri.startswith(f"{prefix}/")]
        for place, item in enumerate(it for it in found if it.uri > after):
            if place and self.world.down == "landing zone":
                raise PipelineError("The landing zone does not answer")
            yield item


@dataclass(frozen=True)
class Published(Lake):
    """The lake's records, if it answers."""

    world: World

    def records(self, table: Readable) -> Mapping[str, PartitionRecord]:
        if self.world.down == "lake":
            raise PipelineError("The lake does not answer")
        return dict(self.world.records[str(table)])


@dataclass(frozen=True)
class Place(Deployment):
    """Where the zone and the lake lie."""

    world: World

    @property
    def landing(self) -> LandingZone:
        return LandingZone(ZONE, Objects(self.world))

    @property
    def lake(self) -> Lake:
        return Published(CatalogAccess("", "", self.s3), self.world)


def downstream(world: World, settings: Settings) -> DownstreamAssets:
    """The real ones, of the assets of this world."""
    return DownstreamAssets.of(SOURCE, ASSETS, Place(settings, world))


@dataclass(frozen=True)
class Notifications:
    """A queue that hands out what can be received, in any order, and hides it for a minute."""

    world: World
    chance: random.Random
    url: str = "queue"

    def receive(self, most: int) -> Iterator[Message]:
        world = self.world
        visible = [name for name, (_, since) in world.queue.items() if since <= world.now]
        for name in self.chance.sample(visible, min(len(visible), most, 3)):
            path, _ = world.queue[name]
            world.queue[name] = (path, world.now + 60)
            yield Message(str(name), (f"{ZONE}/{path}",))

    def delete(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.world.queue.pop(int(message.receipt), None)
