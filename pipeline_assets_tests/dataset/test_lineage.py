from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import pytest
from ibis import _

from pipeline_assets.dataset.lineage import InputColumn, column_lineage

PLAYS = ibis.table({"listener": "string", "plays": "int64", "tags": "array<string>"}, name="plays")
LISTENERS = ibis.table({"listener": "string", "country": "string"}, name="listeners")


def sources(table: ir.Table) -> dict[str, set[str]]:
    found: Mapping[str, frozenset[InputColumn]] = column_lineage(table)
    named = {column: {f"{name}.{of}" for name, of in inputs} for column, inputs in found.items()}
    return {column: inputs for column, inputs in named.items() if inputs}


JOINED = PLAYS.join(LISTENERS, "listener")
TOTALS = JOINED.group_by("country").aggregate(total=_.plays.sum(), listeners=_.listener.nunique())


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (PLAYS.select("plays"), {"plays": {"plays.plays"}}),
        (PLAYS.select(n=_.plays + 1, one=1), {"n": {"plays.plays"}}),
        (
            PLAYS.select(both=_.listener.concat(_.plays.cast("string"))),
            {"both": {"plays.listener", "plays.plays"}},
        ),
        (PLAYS.filter(_.plays > 1).select("listener"), {"listener": {"plays.listener"}}),
        (
            JOINED.select("country", "plays"),
            {"country": {"listeners.country"}, "plays": {"plays.plays"}},
        ),
        (
            TOTALS,
            {
                "country": {"listeners.country"},
                "total": {"plays.plays"},
                "listeners": {"plays.listener"},
            },
        ),
        (
            TOTALS.mutate(
                rank=ibis.row_number().over(group_by="country", order_by=_.total.desc())
            ).select("rank"),
            {"rank": {"listeners.country", "plays.plays"}},
        ),
        (PLAYS.select(tag=_.tags.unnest()), {"tag": {"plays.tags"}}),
        (
            PLAYS.select("listener").union(LISTENERS.select("listener")),
            {"listener": {"plays.listener", "listeners.listener"}},
        ),
        (PLAYS.anti_join(LISTENERS, "listener").select("plays"), {"plays": {"plays.plays"}}),
        (PLAYS.view().select("plays"), {"plays": {"plays.plays"}}),
        (PLAYS.order_by("listener").limit(3).select("plays"), {"plays": {"plays.plays"}}),
        (PLAYS.distinct().select("plays"), {"plays": {"plays.plays"}}),
        (
            PLAYS.join(other := PLAYS.view(), PLAYS.listener == other.listener).select(
                mine=PLAYS.plays, theirs=other.plays
            ),
            {"mine": {"plays.plays"}, "theirs": {"plays.plays"}},
        ),
        (
            LISTENERS.pivot_longer(["country"], names_to="name", values_to="value").select("value"),
            {"value": {"listeners.country"}},
        ),
    ],
)
def test_columns_come_from_columns(table: ir.Table, expected: dict[str, set[str]]) -> None:
    assert sources(table) == expected


def test_a_field_of_a_line_is_named_after_its_column() -> None:
    lines = ibis.table({"line": "string", "split": "string"}, name="raw_files")
    fields = lines.select("split", fields=_.line.split(","))
    named = fields.select("split", who=_.fields[0], what=_.fields[1])
    parsed = named.select("split", who=_.who.try_cast("int64"), words=_.what.split(" ").length())
    assert sources(parsed) == {
        "split": {"raw_files.split"},
        "who": {"raw_files.line.who"},
        "words": {"raw_files.line.what"},
    }


def test_a_long_chain_is_walked_once() -> None:
    table = PLAYS.select("plays")
    for _round in range(60):
        table = table.mutate(plays=table.plays + table.plays)
    assert sources(table) == {"plays": {"plays.plays"}}
