"""A resource of Dagster that is ready as it is declared."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg


class Part(dg.ConfigurableResource[Any]):
    """Configuration of the lake that has nothing to open and nothing to close.

    Dagster builds each resource anew for every run and every process, and all that it depends on
    with it, each three times over. Seventy of them were a sixth of what a run of two small assets
    costs. A part is built once, with the definitions, unless a run configures it otherwise.
    """

    def _is_declared(self, context: dg.InitResourceContext) -> bool:
        """Whether the run asks for what the definitions say."""
        asked = context.resource_config or {}
        return all(getattr(self, name) == value for name, value in asked.items())

    def _initialize_and_run(self, context: dg.InitResourceContext) -> Any:  # noqa: ANN401 - as Dagster's
        """What a run gets of a part that depends on no other."""
        return self if self._is_declared(context) else super()._initialize_and_run(context)

    @contextmanager
    def _initialize_and_run_cm(self, context: dg.InitResourceContext) -> Iterator[Any]:
        """What a run gets of a part that depends on others."""
        if self._is_declared(context):
            yield self
            return
        with super()._initialize_and_run_cm(context) as built:
            yield built
