from dataclasses import replace

import dagster as dg
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from pipeline_assets.dataset.asset import check, domain_of, lake_asset
from pipeline_assets.dataset.inputs import Landed, NumberedLines, RawLines, read_as
from pipeline_assets.publish.asset_audit import partition_checks
from pipeline_assets_tests.diary import assets
from pipeline_assets_tests.diary.assets import (
    DAYS,
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


def test_its_names_come_from_where_it_is_written() -> None:
    assert domain_of(assets.entries.function) == "diary"
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
    @lake_asset(contract=Entries, partitions=DAYS, checks=[nobody_is_brief, everybody_writes])
    def written(entries: ir.Table) -> ir.Table:
        return entries

    assert [spec.name for spec in written.inputs] == ["entries"]
    assert written.checks == (nobody_is_brief,)
    (comparison,) = written.comparisons
    assert comparison.check is everybody_writes
    assert [spec.upstream for spec in comparison.inputs] == ["dataset/letters"]


def test_what_decides_about_publishing_looks_at_nothing_else() -> None:
    blocking = replace(everybody_writes, severity="error")
    with pytest.raises(ValueError, match=r"everybody_writes decides .* make letters a parameter"):

        @lake_asset(contract=Entries, partitions=DAYS, checks=[blocking])
        def written(entries: ir.Table) -> ir.Table:
            return entries


def test_an_input_can_come_from_another_domain() -> None:
    key = dg.AssetKey(["elsewhere", "notes"])

    @lake_asset(contract=Letters, inputs={"notes": key})
    def written(notes: ir.Table) -> ir.Table:
        return notes

    assert [spec.key for spec in written.inputs] == [key]


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
