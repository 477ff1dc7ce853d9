"""The choice of the engine that computes an asset.

The settings name a default engine, and may name another one for some assets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pipeline_assets.engines.engine import Engine
from spark_resources.job import Kind

if TYPE_CHECKING:
    from pipeline_assets.engines.embedded.engine import EmbeddedEngine


@dataclass(frozen=True)
class Engines:
    """The engines of a deployment.

    Attributes:
        embedded: The embedded engine, which ingests and exports use whatever the default is.
        default: The engine of every asset that no override names.
        overrides: Glob over ``domain/name`` to engine; the first that matches wins.
    """

    embedded: "EmbeddedEngine"
    default: Engine
    overrides: Mapping[str, Engine] = field(default_factory=dict)

    @property
    def routed(self) -> tuple[Engine, ...]:
        """All engines that compute an asset."""
        return (self.default, *self.overrides.values())

    def for_job(self, name: str, kind: Kind) -> Engine:
        """The engine of an asset; the embedded one for kinds of job that only it can execute."""
        engine = self.for_asset(name)
        return engine if kind in engine.kinds else self.embedded

    def for_asset(self, name: str) -> Engine:
        """The engine of an asset, named ``domain/name``."""
        for pattern, engine in self.overrides.items():
            if fnmatchcase(name, pattern):
                return engine
        return self.default
