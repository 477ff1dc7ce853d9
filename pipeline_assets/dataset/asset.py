"""Declaring a dataset: a contract, a partitioning and one pure function.

``lake_asset`` turns a function on Ibis tables into a :class:`LakeAsset`. It stays callable, so a
test hands it tables and looks at the expression it returns; where it runs, how the result is
audited and published is decided elsewhere. ``ingest_asset`` does so for a function that reads the
outside world and yields Arrow batches, ``export_asset`` for one whose rows leave the lake.
"""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, TypeAlias, Unpack

import dagster as dg
import ibis.expr.types as ir

from pipeline_assets.dataset.accounting import Delivery
from pipeline_assets.dataset.comparison import Comparison, divided
from pipeline_assets.dataset.contract import Check, Contract, Severity, TableContract
from pipeline_assets.dataset.inputs import (
    InputSpec,
    ingest_keys,
    input_specs,
    own_spec,
    table_parameters,
)
from pipeline_assets.dataset.options import Options, SourceVersions, TableOptions
from pipeline_assets.dataset.parameters import CONFIG, Kind, require_known_parameters
from pipeline_assets.dataset.partitioning import Mapped, Partitioning
from pipeline_assets.dataset.plots import Plot, Text
from pipeline_assets.dataset.values.config import DeclaredConfig, Fields, problem_of
from pipeline_assets.dataset.values.destinations import ByKey, Destination
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.table import WHOLE_TABLE, LakeTable

DEFAULT_PARTITIONS_PER_RUN: Final = 31
DEFAULT_OWNERS: Final = ("team:recommender-data",)
NO_FIELDS: Final[Fields] = MappingProxyType({})
Declare: TypeAlias = Callable[[Callable[..., Any]], "LakeAsset"]


@dataclass(frozen=True)
class LakeAsset:
    """A dataset of the lake.

    Attributes:
        kind: See :data:`pipeline_assets.dataset.parameters.Kind`.
        table: Its Iceberg table.
        function: Computes it.
        inputs: What its function reads; nothing else makes it stale.
        own: The parameter that gets what is published of the asset itself.
        partitioning: How it is cut; None for a table that is always replaced as a whole.
        checks: Promises beyond the contract's, audited before it is published.
        comparisons: Checks that compare what is published with further tables.
        plots: Pictures for the asset's page.
        owners: E-mail addresses or ``team:name``.
        tags: Dagster tags.
        partitions_per_run: How many partitions one run may materialise.
        code_version: Of an ingest function; an expression's version is derived from its SQL.
        export: Where the rows of an export asset go.
        system: The outside system it needs, such as ``oltp``; where it is not set, it is idle.
        source_versions: What such a system holds for each window, if the asset reads it.
        refreshes_on_request: Once materialised, new input alone does not make it stale.
        to_warehouse: Whether its partitions are also loaded into the relational warehouse.
        to_keys: How its rows are looked up by key outside the lake, if they are.
        declared: The config that the deployment declares for it.
        delivery: Which deliveries may not take the place of what is published unasked.
        keeps_newest: How many partitions stay, where only runs with own config make one: the last.
    """

    kind: Kind
    table: LakeTable
    function: Callable[..., Any]
    inputs: tuple[InputSpec, ...]
    own: InputSpec | None = None
    partitioning: Partitioning | None = None
    checks: tuple[Check, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    plots: tuple[Plot | Text, ...] = ()
    owners: tuple[str, ...] = DEFAULT_OWNERS
    tags: Mapping[str, str] | None = field(default=None, hash=False)
    partitions_per_run: int = DEFAULT_PARTITIONS_PER_RUN
    code_version: str | None = None
    export: Destination | None = None
    system: str | None = None
    source_versions: SourceVersions | None = None
    refreshes_on_request: bool = False
    to_warehouse: bool = False
    to_keys: ByKey | None = None
    declared: DeclaredConfig = field(default_factory=DeclaredConfig, hash=False)
    delivery: Delivery | None = None
    keeps_newest: int | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the function
        """Call the function itself."""
        return self.function(*args, **kwargs)

    @property
    def key(self) -> dg.AssetKey:
        """Of the Dagster asset: domain and name."""
        return dg.AssetKey([self.table.namespace, self.table.name])

    @property
    def name(self) -> str:
        """The key as ``domain/name``."""
        return self.key.to_user_string()

    @property
    def reads(self) -> tuple[InputSpec, ...]:
        """Its inputs, and what is published of the asset itself where its function looks at it."""
        return (*self.inputs, self.own) if self.own else self.inputs

    @property
    def all_checks(self) -> tuple[Check, ...]:
        """What is audited before publishing: the contract's checks, then the asset's own."""
        return (*self.table.contract.checks, *self.checks)

    @property
    def result(self) -> TableContract:
        """What the rows of its function promise."""
        return self.export.rows if self.export else self.table.contract

    @property
    def config_type(self) -> type[dg.Config] | None:
        """The class of its run config, if the function has a parameter ``config``."""
        parameter = inspect.signature(self.function).parameters.get(CONFIG)
        return parameter.annotation if parameter else None

    def config(self, key: str = WHOLE_TABLE, override: Fields = NO_FIELDS) -> dg.Config | None:
        """The config of a partition: what is declared, and above it what a run has asked for.

        An override that the config's class no longer accepts is left out.
        """
        if self.config_type is None:
            return None
        wanted = {**self.declared.of(key), **override}
        is_valid = problem_of(self.config_type, wanted) is None
        return self.config_type(**(wanted if is_valid else self.declared.of(key)))

    @property
    def partitions_of_a_run(self) -> int:
        """How many partitions one run may materialise: one, where each may have its own config."""
        return 1 if self.config_type else self.partitions_per_run

    def with_partitioning(self, before: Partitioning, after: Partitioning) -> "LakeAsset":
        """The same with another partitioning and its column's type, if it has the one before."""
        inputs = tuple(spec.with_windows(before, after) for spec in self.inputs)
        if self.partitioning is not before:
            return replace(self, inputs=inputs)
        contract = self.table.contract.with_column_type(after.column, after.column_type)
        table = replace(self.table, contract=contract)
        export = self.export and self.export.with_partitioning(after)
        return replace(self, table=table, inputs=inputs, partitioning=after, export=export)

    @property
    def description(self) -> str:
        """The function's docstring, followed by the contract's."""
        own = inspect.getdoc(self.function) or ""
        return f"{own}\n\n{inspect.cleandoc(self.table.contract.description)}".strip()


def lake_asset(
    *,
    domain: str,
    contract: type[Contract],
    partitions: Partitioning | None = None,
    inputs: Mapping[str, dg.AssetKey] | None = None,
    mappings: Mapping[str, Mapped] | None = None,
    optional: Collection[str] = (),
    checks: Iterable[Check] = (),
    plots: Iterable[Plot | Text] = (),
    **options: Unpack[Options],
) -> Declare:
    """Declare a dataset computed from other tables.

    Args:
        domain: Namespace of its table.
        contract: Names, types, descriptions and checks of its columns.
        partitions: How it is cut.
        inputs: Keys of parameters that are not tables of the same domain.
        mappings: See :data:`Mapped`, of parameters that are not mapped one to one.
        optional: Parameters that are tables without rows where a partition was never published.
        checks: Promises beyond the contract's. One that looks at a table which the function does
            not read becomes an asset check of its own: the table is no input of the asset.
        plots: Pictures for the asset's page; they may look at the function's inputs.
        options: Other fields of :class:`LakeAsset`.
    """

    def declare(function: Callable[..., Any]) -> LakeAsset:
        require_known_parameters(function, "expression")
        readings = table_parameters(function)
        keys = {**{name: dg.AssetKey([domain, name]) for name in readings}, **(inputs or {})}
        audited, comparisons = divided(checks, readings, domain)
        return LakeAsset(
            kind="expression",
            table=_table(domain, function, contract, partitions),
            function=function,
            inputs=input_specs(readings, keys, mappings or {}, optional),
            own=own_spec(readings, dg.AssetKey([domain, function.__name__])),
            partitioning=partitions,
            checks=audited,
            comparisons=comparisons,
            plots=tuple(plots),
            **options,
        )

    return declare


def ingest_asset(
    *,
    domain: str,
    contract: type[Contract],
    code_version: str,
    partitions: Partitioning | None = None,
    landing: LandingSource | None = None,
    mappings: Mapping[str, dg.PartitionMapping] | None = None,
    checks: Iterable[Check] = (),
    plots: Iterable[Plot | Text] = (),
    **options: Unpack[Options],
) -> Declare:
    """Declare a dataset read from the outside world by a function that yields record batches.

    Args:
        domain: Namespace of its table.
        contract: Names, types, descriptions and checks of its columns.
        code_version: Change it when the function's results change.
        partitions: How it is cut.
        landing: Where the function's parameter of type ``Landed`` comes from.
        mappings: Partition mappings of its parameters of type ``Rows``.
        checks: Promises beyond the contract's.
        plots: Pictures.
        options: Other fields of :class:`LakeAsset`.
    """
    options.setdefault("delivery", Delivery())

    def declare(function: Callable[..., Any]) -> LakeAsset:
        require_known_parameters(function, "ingest")
        readings = table_parameters(function)
        keys = ingest_keys(readings, domain, landing)
        return LakeAsset(
            kind="ingest",
            table=_table(domain, function, contract, partitions),
            function=function,
            inputs=input_specs(readings, keys, mappings or {}, ()),
            partitioning=partitions,
            checks=tuple(checks),
            plots=tuple(plots),
            code_version=code_version,
            **options,
        )

    return declare


def export_asset(
    *, contract: type[Contract], to: Destination, **options: Unpack[TableOptions]
) -> Declare:
    """Declare a dataset whose rows go to a destination outside the lake by partition.

    Args:
        contract: Of the table that lists what went there.
        to: The destination.
        options: Arguments of :func:`lake_asset`.
    """
    declare = lake_asset(contract=contract, **options)
    return lambda function: replace(declare(function), kind="export", export=to)


def check(
    severity: Severity, key: Iterable[str] = ()
) -> Callable[[Callable[..., ir.Table]], Check]:
    """Declare a promise: a function from the asset's table to the rows that break it.

    Other parameters are inputs by name. The docstring says what holds when the check passes.

    Args:
        severity: Whether a broken promise keeps the table from being published.
        key: See :class:`pipeline_assets.dataset.contract.Check`.
    """

    def declare(function: Callable[..., ir.Table]) -> Check:
        _, *inputs = inspect.signature(function).parameters
        description = inspect.getdoc(function) or ""
        name = function.__name__
        return Check(name, description, severity, function, tuple(inputs), tuple(key))

    return declare


def _table(
    domain: str,
    function: Callable[..., Any],
    contract: type[Contract],
    partitions: Partitioning | None,
) -> LakeTable:
    column = partitions.column if partitions else None
    return LakeTable(domain, function.__name__, TableContract.of(contract), column)
