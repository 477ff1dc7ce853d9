"""Reviews by Amazon Comprehend: each text once, in full batches, within a budget."""

from collections.abc import Iterator

import duckdb
import pytest

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.definitions import DATASETS, assets_for
from pipeline_assets.domains.rentals.assets import classified_movie_reviews
from pipeline_assets.domains.rentals.comprehend import CLASSES
from pipeline_assets.errors import PipelineError
from pipeline_assets.learning.comprehend import Comprehend, beginning, units_of
from pipeline_assets.staleness.versions import code_version
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.doubles.comprehend import ComprehendDouble, comprehend
from spark_resources.job import Audit, Destination, Job
from spark_resources.runners.polling import PollPolicy

AT_ONCE = PollPolicy(first_seconds=0.001, longest_seconds=0.001, outage_seconds=1)
SCHEMA = {
    "cid": "int",
    "review_str": "string",
    "sentiment": "int",
    "positive_review": "boolean",
    "confidence": "double",
}


@pytest.fixture
def service() -> Iterator[ComprehendDouble]:
    with comprehend() as double:
        yield double


def job(language: str = "en") -> Job:
    parameters = {"document": "review_str", "language": language, "classes": dict(CLASSES)}
    return Job(
        token="t",
        kind="comprehend",
        sql="SELECT * FROM reviews",
        inputs={},
        schema=SCHEMA,
        destination=Destination("/lake/attempt"),
        audit=Audit(""),
        parameters=parameters,
    )


def classified(
    texts: list[str], budget: float = 1.0, said: list[str] | None = None
) -> tuple[list[tuple[object, ...]], dict[str, object]]:
    """The rows for some reviews, in order, and the facts about the job."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE reviews (cid integer, review_str text)")
        rows = [[cid, text] for cid, text in enumerate(texts)]
        connection.executemany("INSERT INTO reviews VALUES (?, ?)", rows)
        log = (said if said is not None else []).append
        prepared = Comprehend(budget, "eu-west-1", AT_ONCE)(connection, job(), log)
        return connection.execute(f"{prepared.sql} ORDER BY cid").fetchall(), dict(prepared.facts)


def test_each_tone_becomes_a_class_and_mixed_ones_are_neutral(service: ComprehendDouble) -> None:
    rows, facts = classified(["so good", "so bad", "good and bad", "a film", "  "])
    assert rows == [
        (0, "so good", 2, True, 0.9123),
        (1, "so bad", 0, False, 0.9123),
        (2, "good and bad", 1, False, 0.9123),
        (3, "a film", 1, False, 0.9123),
        (4, "  ", 1, False, 1.0),
    ]
    assert facts["comprehend_units"] == 12
    assert facts["estimated_cost_usd"] == 0.0012
    assert service.requests == [["a film", "good and bad", "so bad", "so good"]]


def test_copies_are_asked_for_once_and_a_request_has_25(service: ComprehendDouble) -> None:
    texts = [f"film {n % 60:02}" for n in range(180)]
    rows, facts = classified(texts)
    assert len(rows) == 180
    assert [len(request) for request in service.requests] == [25, 25, 10]
    assert facts["comprehend_texts"] == 60


def test_throttles_and_errors_of_single_texts_pass(service: ComprehendDouble) -> None:
    service.throttled = 2
    service.stumbles = {"good 3": ["INTERNAL_SERVER_ERROR"] * 2}
    said: list[str] = []
    rows, _ = classified([f"good {n}" for n in range(5)], said=said)
    assert [row[2] for row in rows] == [2] * 5
    assert service.requests[1:] == [["good 3"], ["good 3"]]
    assert any("trying again" in line for line in said)


def test_a_text_that_is_refused_for_good_fails_the_run(service: ComprehendDouble) -> None:
    service.stumbles = {"good": ["UNSUPPORTED_LANGUAGE"]}
    with pytest.raises(PipelineError, match="refused 1 of 2 texts: UNSUPPORTED_LANGUAGE"):
        classified(["good", "bad"])


def test_a_job_beyond_its_budget_asks_nothing(service: ComprehendDouble) -> None:
    with pytest.raises(PipelineError, match=r"about \$0.03 for 100 texts, and the budget of a run"):
        classified([f"film {n}" for n in range(100)], budget=0.02)
    assert service.requests == []


def test_a_long_text_is_cut_at_a_whole_character(service: ComprehendDouble) -> None:
    long = "é" * 2_499 + "xé" + "good"
    assert beginning(long) == "é" * 2_499 + "x"
    assert units_of(long) == 25
    ((_, _, sentiment, _, _),) = classified([long])[0]
    assert sentiment == 1
    assert len(service.requests) == 1


def test_a_deployment_chooses_it_and_the_table_is_stale_then(make_settings: MakeSettings) -> None:
    def chosen(**settings: str) -> LakeAsset:
        return assets_for(make_settings(**settings), [classified_movie_reviews])[0]

    model, english = chosen(), chosen(sentiment="comprehend")
    german = chosen(sentiment="comprehend", comprehend_language="de")
    assert model.function is classified_movie_reviews.function
    assert english.table == model.table
    assert [spec.name for spec in english.inputs] == ["movie_reviews"]
    tables = {asset.name: asset.table for asset in DATASETS.assets}
    assert len({code_version(asset, tables) for asset in (model, english, german)}) == 3
