"""How the schema of a published table follows its contract.

A contract may add, widen, rename, drop and reorder columns. Iceberg knows a column by the id of its
field, so that none of this rewrites a file: the next publish changes the schema, and then its
partitions. Files keep the names that columns had when they were written. The table's name
mapping remembers those names, and so does :func:`former_names`, by which our engines read. What
files in use could not be read as any more is refused, and the table stays as it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.types import (
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
)

from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.errors import PipelineError

if TYPE_CHECKING:
    from pipeline_assets.dataset.contract import TableContract

Names: TypeAlias = Mapping[str, tuple[str, ...]]
"""Names that a column had before, by the name that it has."""

_PROMOTED: Final[Mapping[type[IcebergType], type[IcebergType]]] = {
    IntegerType: LongType,
    FloatType: DoubleType,
}


@dataclass(frozen=True)
class Evolution:
    """What the next publish changes in a table's schema.

    Attributes:
        published: The schema as it is.
        wanted: The schema of the contract.
        present: Column of the contract to the published field that goes on as that column.
    """

    published: Schema
    wanted: Schema
    present: Mapping[str, NestedField]

    @property
    def dropped(self) -> list[str]:
        """Names of published columns that the contract no longer has."""
        going_on = {field.name for field in self.present.values()}
        return [name for name in _names(self.published) if name not in going_on]

    @property
    def added(self) -> list[str]:
        """Names of columns of the contract that were not published yet."""
        return [name for name in _names(self.wanted) if name not in self.present]

    def lines(self) -> Iterator[str]:
        """What it does to columns that people know, in words."""
        for name, before in self.present.items():
            if before.name != name:
                yield f"`{before.name}` is now called `{name}`"
            if str(before.field_type) != (type_ := str(self.wanted.find_field(name).field_type)):
                yield f"`{name}` was {before.field_type} and is {type_}"
        yield from (f"`{name}` is no longer a column" for name in self.dropped)
        yield from (f"`{name}` is new, and null in older partitions" for name in self.added)

    @property
    def is_needed(self) -> bool:
        """Whether anything differs, be it a description."""
        return _described(self.published) != _described(self.wanted)

    def apply(self, transaction: Transaction) -> None:
        """Change the schema."""
        with transaction.update_schema() as update:
            for name in self.dropped:
                update.delete_column(name)
            for field in self.wanted.fields:
                _follow(update, field, self.present.get(field.name))
        names = _names(self.wanted)
        if _names(transaction.table_metadata.schema()) != names:
            with transaction.update_schema() as update:
                update.move_first(names[0])
                for before, name in pairwise(names):
                    update.move_after(name, before)


def evolution(metadata: TableMetadata, table: LakeTable) -> Evolution:
    """Compare a published table with its contract.

    Raises:
        PipelineError: The contract asks for what published files cannot be read as.
    """
    # Only who writes needs Ibis, which declares the types.
    from pipeline_assets.iceberg.schema import iceberg_schema

    wanted = iceberg_schema(table.contract)
    present = dict(_present(metadata.schema(), table.contract))
    found = Evolution(metadata.schema(), wanted, present)
    for problem in _problems(metadata, table, found):
        raise PipelineError(f"{table}: {problem}")
    return found


def follow(iceberg: Table, table: LakeTable) -> None:
    """Change the schema as the contract says, in a commit of its own, if anything differs.

    A commit that changed rows, too, would fail for good where another process has changed the
    schema first, but not before pyiceberg has tried it thirty times.

    Raises:
        PipelineError: The contract asks for what published files cannot be read as.
    """
    found = evolution(iceberg.metadata, table)
    if found.is_needed:
        with iceberg.transaction() as transaction:
            found.apply(transaction)


def former_names(iceberg: Table, schema: Schema) -> Names:
    """The other names under which files hold a column; columns without any are left out.

    Args:
        iceberg: The table.
        schema: One of its schemas.
    """
    mapping = iceberg.name_mapping()
    names = {it.field_id: it.names for it in mapping} if mapping else {}
    found = {
        field.name: tuple(name for name in names.get(field.field_id, ()) if name != field.name)
        for field in schema.fields
    }
    return {name: others for name, others in found.items() if others}


def _names(schema: Schema) -> list[str]:
    return [field.name for field in schema.fields]


def _described(schema: Schema) -> list[tuple[str, str, str]]:
    return [(field.name, str(field.field_type), field.doc or "") for field in schema.fields]


def _present(published: Schema, contract: "TableContract") -> Iterator[tuple[str, NestedField]]:
    fields = {field.name: field for field in published.fields}
    for column in contract.columns:
        for name in (column.name, *column.renamed_from):
            if name in fields:
                yield column.name, fields[name]
                break


def _follow(update: UpdateSchema, wanted: NestedField, before: NestedField | None) -> None:
    if before is None:
        update.add_column(wanted.name, wanted.field_type, wanted.doc)
        return
    if before.name != wanted.name:
        update.rename_column(before.name, wanted.name)
    if before.doc != wanted.doc:
        update.update_column(before.name, doc=wanted.doc)
    old, new = before.field_type, wanted.field_type
    path: tuple[str, ...] = (before.name,)
    while isinstance(old, ListType) and isinstance(new, ListType):
        old, new, path = old.element_type, new.element_type, (*path, "element")
    if old != new:
        update.update_column(path, new)


def _problems(metadata: TableMetadata, table: LakeTable, found: Evolution) -> Iterator[str]:
    yield from _partition_problems(metadata.spec(), metadata.schema(), table, found)
    for name, before in found.present.items():
        after = found.wanted.find_field(name).field_type
        if not _is_wider(before.field_type, after):
            yield (
                f"`{name}` is {before.field_type} in what is published, and its contract now says "
                f"{after}, which may not hold it; keep the type, or give the column a new name "
                "(the old one then ends with the next publish)"
            )
        if before.name != name:
            yield from _taken(metadata, name, before.field_id, renamed=True)
    for name in found.added:
        yield from _taken(metadata, name, -1)
        for earlier in _earlier(metadata, name):
            after = found.wanted.find_field(name).field_type
            if not _is_wider(earlier.field_type, after):
                yield (
                    f"`{name}` was {earlier.field_type} when it was a column before, which files "
                    f"may still hold, and its contract now says {after}; choose another name"
                )


def _partition_problems(
    spec: PartitionSpec, published: Schema, table: LakeTable, found: Evolution
) -> Iterator[str]:
    column = next((published.find_field(field.source_id).name for field in spec.fields), None)
    kept = found.present.get(column) if column else None
    if column != table.partition_column or (column and (kept is None or kept.name != column)):
        by = f"by `{column}`" if column else "not"
        yield (
            f"its files are partitioned {by}, which a published table cannot change; keep that, or "
            "publish as an asset of another name"
        )


def _taken(
    metadata: TableMetadata, name: str, field_id: int, *, renamed: bool = False
) -> Iterator[str]:
    """A name under which files hold another column cannot be told apart from it."""
    mapping = metadata.name_mapping() or ()
    by_others = {
        it.field_id
        for schema in metadata.schemas
        for it in schema.fields
        if it.name == name and it.field_id != field_id
    }
    going_on = {field.field_id for field in metadata.schema().fields}
    former = {it.field_id for it in mapping if name in it.names} - {field_id}
    if former & going_on or (renamed and by_others):
        yield f"`{name}` was the name of another column, and files may hold it; choose another"


def _earlier(metadata: TableMetadata, name: str) -> Iterator[NestedField]:
    yield from (it for schema in metadata.schemas for it in schema.fields if it.name == name)


def _is_wider(old: IcebergType, new: IcebergType) -> bool:
    """Whether Iceberg reads every value of one type as another, or they are the same."""
    if isinstance(old, ListType) and isinstance(new, ListType):
        return _is_wider(old.element_type, new.element_type)
    if isinstance(old, DecimalType) and isinstance(new, DecimalType):
        return old.scale == new.scale and old.precision <= new.precision
    return old == new or _PROMOTED.get(type(old)) is type(new)
