from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline_assets.engines.embedded.duckdb_sql import copy_statement
from pipeline_assets.engines.embedded.footers import Copied, data_files, footers, known
from spark_resources.job import Audit, Bound, DataFile, Destination

SCORES = "SELECT * FROM (VALUES (1, 'a'), (NULL, 'b'), (7, NULL), (3, NULL)) AS v(score, name)"


@pytest.fixture
def copied(tmp_path: Path) -> Copied:
    with duckdb.connect() as connection:
        to = Destination(f"{tmp_path}/out")
        return connection.execute(copy_statement(SCORES, to, keeps_order=True)).fetchall()


def answers(copied: Copied, **bounds: Bound) -> Mapping[str, Any]:
    return known(Audit("", bounds=bounds), 4, footers(copied))


def test_files_are_what_was_copied(copied: Copied, tmp_path: Path) -> None:
    (file,) = data_files(copied, "train")
    written = tmp_path / "out" / "data_0.parquet"
    assert file == DataFile(str(written), 4, written.stat().st_size, "train")


def test_nulls_are_counted(copied: Copied) -> None:
    nulls = {"score_not_null": Bound("score"), "profile_1_null": Bound("name")}
    assert answers(copied, **nulls) == {"score_not_null": 1, "profile_1_null": 2}


def test_no_row_is_beyond_a_bound_that_the_extremes_keep(copied: Copied) -> None:
    assert answers(copied, least=Bound("score", least=1)) == {"least": 0}
    assert answers(copied, most=Bound("score", greatest=7)) == {"most": 0}


def test_how_many_rows_are_beyond_a_bound_is_left_to_the_rows(copied: Copied) -> None:
    assert answers(copied, least=Bound("score", least=2)) == {}
    assert answers(copied, most=Bound("score", greatest=6)) == {}


def test_a_column_that_is_not_in_the_footers_is_left_to_the_rows(copied: Copied) -> None:
    assert answers(copied, nulls=Bound("vector"), least=Bound("vector", least=0)) == {}


def test_rows_are_those_of_the_files(copied: Copied) -> None:
    asked = Audit("", aggregates={"rows": "COUNT(*)", "total": "SUM(score)"})
    assert known(asked, 4, footers(copied)) == {"rows": 4}


def test_without_files_there_are_no_nulls_and_nothing_is_beyond() -> None:
    assert answers([], nulls=Bound("score"), least=Bound("score", least=0)) == {
        "nulls": 0,
        "least": 0,
    }
