"""What the commands share: settings, deployment, assets, and the instance that the UI shows.

Each part is imported when a command first needs it: `query` needs no Dagster, `--help` nothing.
"""

import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_assets.dataset.values.progress import SILENT, Progress
from pipeline_assets.errors import PipelineError

if TYPE_CHECKING:
    import dagster as dg

    from pipeline_assets.command.survey import Survey
    from pipeline_assets.command.update import Updater
    from pipeline_assets.dagster_internals import AssetGraph
    from pipeline_assets.dataset.asset import LakeAsset
    from pipeline_assets.dataset.values.landing_source import LandingSource
    from pipeline_assets.dataset.values.table import LakeTable, Readable
    from pipeline_assets.iceberg.moment import Moment
    from pipeline_assets.orchestration.deployment import Deployment
    from pipeline_assets.settings import Settings
    from pipeline_assets.staleness.remembered import Versions


class Session:
    """What the commands share; each part is created when a command first needs it."""

    def __init__(self, settings: "Settings | None" = None) -> None:
        self._given = settings

    @cached_property
    def settings(self) -> "Settings":
        """The settings that were given, or those of the environment."""
        from pipeline_assets.settings import Settings

        return self._given or Settings.from_environment()

    @cached_property
    def deployment(self) -> "Deployment":
        """Storage, catalog and engines."""
        from pipeline_assets.orchestration.deployment import Deployment

        deployment = Deployment(self.settings)
        if name := self.settings.environment:
            from pipeline_assets.environments.environments import Environments

            Environments.around(deployment.lake).read(name)  # or it says which there are
        return deployment

    def moment(self) -> "Moment":
        """The lake as it is now, for reading: each of its tables is loaded once."""
        from pipeline_assets.iceberg.moment import Moment

        return Moment(self.deployment.lake.access)

    def require_lake(self) -> None:
        """Refuse to read a lake that is not there, which would look like an empty one.

        Raises:
            PipelineError: There is none; the message says where it was looked for.
        """
        if said := self.no_lake():
            raise PipelineError(said)

    def require_catalog(self) -> None:
        """Refuse a lake whose catalog is lost or old, for commands that would not notice.

        Raises:
            PipelineError: There is no lake, or its catalog lacks what is in storage.
        """
        self.require_lake()
        self.deployment.lake.published()

    def no_lake(self) -> str:
        """Where a lake was looked for in vain; empty if there is one, or only storage can tell."""
        from pipeline_assets.storage.environments import lake_of

        uri = lake_of(self.settings.lake_uri)
        if "://" in uri or Path(uri).exists():
            return ""
        return (
            f"There is no lake in {Path(uri).resolve()}: PIPELINE_LAKE_URI, or the folder you "
            "are in, says where it is looked for; `update` makes one"
        )

    def require_production(self, command: str) -> None:
        """Refuse a command that is none for an environment, which only shares what it has not made.

        Raises:
            PipelineError: The settings name an environment.
        """
        if name := self.settings.environment:
            raise PipelineError(
                f"{command} is for the lake itself: unset PIPELINE_ENVIRONMENT, which is {name}; "
                "a damaged environment is dropped and created again"
            )

    @cached_property
    def assets(self) -> "list[LakeAsset]":
        """All assets of the graph."""
        from pipeline_assets.graph import assets_for

        return assets_for(self.settings)

    @cached_property
    def tables(self) -> "list[LakeTable]":
        """All tables of the lake."""
        from pipeline_assets.profiles.profiles import PROFILES

        return [*(asset.table for asset in self.assets), PROFILES]

    @cached_property
    def instance(self) -> "dg.DagsterInstance":
        """The Dagster instance that the UI shows."""
        from pipeline_assets.orchestration.instance import open_instance

        return open_instance(self.settings.dagster_home, Path.cwd())

    def survey(self, *, keeps_overrides: bool = True) -> "Survey":
        """What is published, has landed and lies outside now; each table is loaded once.

        Raises:
            DeclarationError: An asset is declared as it cannot be.
        """
        import dagster as dg

        from pipeline_assets.command.survey import Survey
        from pipeline_assets.graph import require_all_declared
        from pipeline_assets.orchestration.instance import DynamicKeys

        warnings.simplefilter("ignore", dg.BetaWarning)
        require_all_declared(self.assets, self.sources)
        keys = DynamicKeys(lambda: self.instance)
        parts = (self.assets, self.sources, self.deployment, keys, keeps_overrides)
        return Survey(*parts, self.moment(), self.versions)

    @cached_property
    def versions(self) -> "Versions":
        """The versions of all assets."""
        from pipeline_assets.graph import versions_for

        return versions_for(self.settings, self.assets)

    @property
    def sources(self) -> "list[LandingSource]":
        """All landing sources of the graph."""
        from pipeline_assets.graph import landing_for

        return landing_for(self.settings)

    def graph(self) -> "AssetGraph":
        """The assets as Dagster's selections see them."""
        from pipeline_assets.graph import graph_for

        return graph_for(self.settings)

    def updater(self, progress: Progress = SILENT, *, keeps_overrides: bool = True) -> "Updater":
        """An updater of the lake that reports to ``progress``."""
        import dagster as dg

        from pipeline_assets.command.update import Updater
        from pipeline_assets.definitions import build_definitions

        warnings.simplefilter("ignore", dg.BetaWarning)
        definitions = build_definitions(self.settings, progress, versions=self.versions)
        parts = (self.assets, self.sources, self.deployment, self.instance, keeps_overrides)
        return Updater(*parts, definitions=definitions)

    def declared(self) -> "Iterator[LakeTable]":
        """All tables of the lake, imported when the first of them is asked for."""
        yield from self.tables

    def published(self, name: str) -> "Readable":
        """A table that the catalog knows, or else that the assets declare.

        Raises:
            PipelineError: There is none.
        """
        found = self.moment().published({name.partition(".")[0].casefold()})
        return next((table for table in found if str(table) == name), None) or self.table(name)

    def table(self, name: str) -> "LakeTable":
        """The table of that name, such as ``taobao.impressions``.

        Raises:
            PipelineError: There is none.
        """
        tables = {str(table): table for table in self.tables}
        if name not in tables:
            raise PipelineError(f"There is no table {name}; tables are {', '.join(tables)}")
        return tables[name]

    def asset(self, name: str) -> "LakeAsset":
        """The asset whose table has that name.

        Raises:
            PipelineError: There is none, or no asset computes the table.
        """
        table = self.table(name)
        for asset in self.assets:
            if asset.table == table:
                return asset
        raise PipelineError(f"{name} is written beside the assets; none of them computes it")
