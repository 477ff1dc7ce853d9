from typing import Any

import dagster as dg
import ibis.expr.types as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_assets.dataset.asset import LakeAsset, export_asset, ingest_asset, lake_asset
from pipeline_assets.dataset.computation import Fixpoint, Learn
from pipeline_assets.dataset.contract import Contract, Long, String, TableContract
from pipeline_assets.dataset.values.destinations import CsvObject, ExportedObjects
from pipeline_assets.staleness.versions import (
    code_version,
    digest,
    input_version,
    prefix_digests,
)
from pipeline_assets_tests.diary.assets import DAYS, DIARY, Entries, Pages
from pipeline_assets_tests.diary.bench import TABLES
from spark_resources.job import KERNEL_VERSIONS


class Written(Contract):
    """One row per entry."""

    who: String
    letters: Long


def computed(least: int) -> LakeAsset:
    @lake_asset(domain=DIARY, contract=Written)
    def written(entries: ir.Table) -> ir.Table:
        return entries.filter(entries.letters >= least).select("who", "letters")

    return written


def test_the_version_of_an_expression_is_what_it_computes() -> None:
    @lake_asset(domain=DIARY, contract=Written, inputs={"lines": dg.AssetKey(["diary", "entries"])})
    def written(lines: ir.Table) -> ir.Table:
        """The same in other words."""
        enough = lines.letters >= 3
        return lines.filter(enough).select("who", "letters")

    same, other = code_version(computed(3), TABLES), code_version(computed(4), TABLES)
    assert code_version(computed(3), TABLES) == same != other
    assert len(same) == 16
    assert code_version(written, TABLES) != same  # its SQL names the input


def test_the_default_config_is_part_of_the_version() -> None:
    class Least(dg.Config):
        letters: int = 3

    class Most(dg.Config):
        letters: int = 4

    def configured(config_type: type[dg.Config]) -> LakeAsset:
        def written(entries: ir.Table, config: dg.Config) -> ir.Table:
            enough = entries.letters >= config.letters  # type: ignore[attr-defined]
            return entries.filter(enough).select("who", "letters")

        written.__annotations__["config"] = config_type
        inputs = {"entries": dg.AssetKey(["diary", "entries"])}
        return lake_asset(domain=DIARY, contract=Written, inputs=inputs)(written)

    assert code_version(configured(Least), TABLES) == code_version(computed(3), TABLES)
    assert code_version(configured(Most), TABLES) == code_version(computed(4), TABLES)


def learned(**parameters: object) -> LakeAsset:
    @lake_asset(domain=DIARY, contract=Written)
    def written(entries: ir.Table) -> Learn:
        return Learn("word2vec", entries.select("who", "letters"), parameters)

    return written


def test_the_parameters_of_learning_are_part_of_the_version() -> None:
    version = code_version(learned(seed=1, dimensions=50), TABLES)
    assert version == code_version(learned(dimensions=50, seed=1), TABLES)
    assert version != code_version(learned(seed=2, dimensions=50), TABLES)
    assert version != code_version(learned(seed=1), TABLES)


def test_the_kind_of_a_job_is_part_of_the_version() -> None:
    @lake_asset(domain=DIARY, contract=Written)
    def written(entries: ir.Table) -> Learn:
        return Learn("neighbours", entries.select("who", "letters"), {"seed": 1})

    assert code_version(written, TABLES) != code_version(learned(seed=1), TABLES)


def shrinking(max_rounds: int = 100, least: int = 3, keys: tuple[str, ...] = ()) -> LakeAsset:
    @lake_asset(domain=DIARY, contract=Written)
    def written(entries: ir.Table) -> Fixpoint:
        initial = entries.select("who", "letters")
        return Fixpoint(
            initial,
            lambda left: left.filter(left.letters >= least),
            max_rounds=max_rounds,
            keys=keys,
        )

    return written


@pytest.mark.parametrize(
    "other", [{"max_rounds": 99}, {"least": 4}, {"keys": ("who",)}], ids=["rounds", "step", "keys"]
)
def test_what_a_fixpoint_does_in_its_rounds_is_part_of_the_version(other: dict[str, Any]) -> None:
    assert code_version(shrinking(), TABLES) == code_version(shrinking(), TABLES)
    assert code_version(shrinking(), TABLES) != code_version(shrinking(**other), TABLES)


def test_where_an_export_goes_is_part_of_the_version() -> None:
    rows = TableContract.of(Written)

    def exported(path: str) -> LakeAsset:
        @export_asset(domain=DIARY, contract=ExportedObjects, to=CsvObject(path, rows))
        def written(entries: ir.Table) -> ir.Table:
            return entries.select("who", "letters")

        return written

    one, other = exported("here/{key}.csv"), exported("there/{key}.csv")
    assert code_version(one, TABLES) != code_version(other, TABLES)


def test_another_version_of_a_kernel_is_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    version = code_version(learned(seed=1), TABLES)
    monkeypatch.setitem(KERNEL_VERSIONS, "word2vec", 99)
    assert code_version(learned(seed=1), TABLES) != version


def test_what_reads_the_outside_world_names_its_version() -> None:
    def pages() -> None:
        raise NotImplementedError

    def version(code: str, contract: type[Contract]) -> str:
        declare = ingest_asset(domain=DIARY, contract=contract, code_version=code, partitions=DAYS)
        return code_version(declare(pages), TABLES)

    assert version("1", Pages) != version("2", Pages)
    assert version("1", Pages) != version("1", Entries)


def test_columns_that_the_contract_does_not_know_are_found_before_anything_runs() -> None:
    @lake_asset(domain=DIARY, contract=Written)
    def written(entries: ir.Table) -> ir.Table:
        return entries.select("who", "day")

    with pytest.raises(ValueError, match=r"missing columns \['letters'\], undeclared .*\['day'\]"):
        code_version(written, TABLES)


def test_a_partition_depends_on_its_namesake_or_on_all() -> None:
    versions = {"mon": "1", "tue": "2"}
    assert input_version(versions, "mon", None) == "1"
    whole = input_version(versions, "", None)
    assert whole == digest(versions)
    assert whole != input_version(versions | {"tue": "3"}, "", None)
    assert whole != input_version({"mon": "1"}, "", None)


def test_a_partition_depends_on_those_that_are_mapped_to_it() -> None:
    versions = {"mon": "1", "tue": "2", "wed": "3"}
    mapped = input_version(versions, "tue", ["mon", "tue"])
    assert mapped == input_version(versions | {"wed": "4"}, "tue", ["mon", "tue"])
    assert mapped != input_version(versions | {"mon": "4"}, "tue", ["mon", "tue"])
    assert mapped == input_version(versions, "tue", ["sun", "mon", "tue"])


def test_the_order_of_names_changes_nothing() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=6))
def test_the_digests_of_all_beginnings_are_those_of_each(values: dict[str, str]) -> None:
    keys = sorted(values)
    each = [digest({key: values[key] for key in keys[:end]}) for end in range(len(keys) + 1)]
    assert prefix_digests(values) == each
