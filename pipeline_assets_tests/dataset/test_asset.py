from collections.abc import Callable, Iterator
from dataclasses import replace

import dagster as dg
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from pipeline_assets.dataset.asset import Declare, check, ingest_asset, lake_asset
from pipeline_assets.dataset.inputs import Landed, NumberedLines, RawLines, read_as
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.errors import DeclarationError
from pipeline_assets.publish.asset_audit import partition_checks
from pipeline_assets_tests.diary.assets import (
    DAYS,
    DIARY,
    Entries,
    Letters,
    entries,
    letters,
    nobody_is_brief,
    pages,
)


def test_a_dataset_is_a_function_that_can_be_called() -> None:
    rows = [
        {"page": "1", "line_number": 1, "who": "ada", "letters": 2, "day": "mon"},
        {"page": "1", "line_number": 2, "who": "ada", "letters": 3, "day": "tue"},
    ]
    written = ibis.memtable(pa.Table.from_pylist(rows))
    assert letters(written).to_pyarrow().to_pylist() == [{"who": "ada", "letters": 5}]


def test_its_name_is_its_domain_and_its_function_wherever_that_is_written() -> None:
    assert (entries.name, str(entries.table)) == ("diary/entries", "diary.entries")
    assert entries.key == dg.AssetKey(["diary", "entries"])
    assert (entries.table.partition_column, letters.table.partition_column) == ("day", None)


def test_its_description_is_its_docstring_and_its_grain() -> None:
    assert entries.description == ("What was written, by whom.\n\nOne row per entry of a day.")


def test_what_the_function_reads_is_what_the_asset_depends_on() -> None:
    assert [(spec.upstream, spec.read_as) for spec in entries.inputs] == [
        ("diary/pages", "numbered_lines")
    ]
    assert [(spec.upstream, spec.read_as) for spec in pages.inputs] == [("landing/diary", "landed")]


@check("warn")
def everybody_writes(written: ir.Table, letters: ir.Table) -> ir.Table:
    """Everybody who ever wrote writes every day."""
    return letters.anti_join(written, "who")


def test_a_warning_about_another_table_is_a_check_of_its_own() -> None:
    @lake_asset(
        domain=DIARY, contract=Entries, partitions=DAYS, checks=[nobody_is_brief, everybody_writes]
    )
    def written(entries: ir.Table) -> ir.Table:
        return entries

    assert [spec.name for spec in written.inputs] == ["entries"]
    assert written.checks == (nobody_is_brief,)
    (comparison,) = written.comparisons
    assert comparison.check is everybody_writes
    assert [spec.upstream for spec in comparison.inputs] == ["diary/letters"]


def test_what_decides_about_publishing_looks_at_nothing_else() -> None:
    blocking = replace(everybody_writes, severity="error")
    with pytest.raises(ValueError, match=r"everybody_writes decides .* make letters a parameter"):

        @lake_asset(domain=DIARY, contract=Entries, partitions=DAYS, checks=[blocking])
        def written(entries: ir.Table) -> ir.Table:
            return entries


def test_an_input_can_come_from_another_domain() -> None:
    key = dg.AssetKey(["elsewhere", "notes"])

    @lake_asset(domain="essays", contract=Letters, inputs={"notes": key})
    def written(notes: ir.Table) -> ir.Table:
        return notes

    assert written.name == "essays/written"
    assert [spec.key for spec in written.inputs] == [key]


EXPRESSION: Declare = lake_asset(domain=DIARY, contract=Letters)
INGEST: Declare = ingest_asset(domain=DIARY, contract=Letters, code_version="1")


def without_annotation(entries) -> ir.Table:  # type: ignore[no-untyped-def] # noqa: ANN001
    return entries


def misnamed(entries: ir.Table, partition: object) -> ir.Table:
    return entries.filter(partition is not None)


def misread(entries: Landed) -> ir.Table:
    raise AssertionError(entries)


def unreadable(workspace: Workspace, entries: ir.Table) -> Iterator[pa.RecordBatch]:
    raise AssertionError(workspace, entries)


@pytest.mark.parametrize(
    ("declare", "function", "complaint"),
    [
        (EXPRESSION, without_annotation, "`entries`: Annotate data as ir.Table, RawLines, Numb"),
        (EXPRESSION, misnamed, "`partition`: did you mean `partitions`?.*are config, partitions$"),
        (EXPRESSION, misread, "`entries`: Annotate data as ir.Table"),
        (
            INGEST,
            unreadable,
            "Annotate data as Landed, Rows; other.*workspace, oltp, warehouse",
        ),
    ],
)
def test_a_parameter_that_nothing_is_known_of_is_refused_where_it_is_declared(
    declare: Declare, function: Callable[..., object], complaint: str
) -> None:
    with pytest.raises(DeclarationError, match=f"^{function.__name__}: .*{complaint}"):
        declare(function)


@pytest.mark.parametrize(
    ("annotation", "loaded"),
    [
        (ir.Table, "table"),
        (RawLines, "lines"),
        (NumberedLines, "numbered_lines"),
        (Landed, "landed"),
        (str, None),
        (dg.Config, None),
    ],
)
def test_the_annotation_says_how_an_input_is_loaded(annotation: object, loaded: str | None) -> None:
    assert read_as(annotation) == loaded


def test_a_check_is_told_by_its_function() -> None:
    found = {check.name: check for check in entries.all_checks}
    brief = found["nobody_is_brief"]
    assert (brief.severity, brief.inputs) == ("warn", ())
    assert brief.description == "Nobody writes less than three letters."
    assert found["every_line_is_an_entry"].inputs == ("pages",)
    assert list(found)[-2:] == ["nobody_is_brief", "every_line_is_an_entry"]


def test_rows_of_partitions_that_were_not_asked_for_are_found() -> None:
    (asked_for,) = partition_checks(entries, ["mon"])
    table = ibis.memtable(pa.table({"day": ["mon", "tue", None]}))
    found = asked_for.failing(table).to_pyarrow().to_pylist()
    assert found == [{"day": "tue"}, {"day": None}]
    assert partition_checks(letters, ["mon"]) == []
