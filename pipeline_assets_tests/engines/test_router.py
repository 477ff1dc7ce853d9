from pathlib import Path

import pytest

from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.engines.router import Engines
from pipeline_assets.engines.spark import SparkEngine
from spark_resources.job import Kind
from spark_resources.runners.local import LocalConfig, LocalRunner

EMBEDDED = EmbeddedEngine(memory_limit_mib=512, threads=1)
SPARK = SparkEngine("spark", LocalRunner(LocalConfig(Path("nowhere"))))


@pytest.mark.parametrize("kind", ["query", "fixpoint", "word2vec", "neighbours"])
def test_an_asset_is_computed_where_it_is_routed_to(kind: Kind) -> None:
    engines = Engines(EMBEDDED, SPARK, {"rentals/*": EMBEDDED})
    assert engines.for_job("music/users", kind) is SPARK
    assert engines.for_job("rentals/users", kind) is EMBEDDED


def test_what_only_the_embedded_engine_learns_goes_there() -> None:
    engines = Engines(EMBEDDED, EMBEDDED, {"rentals/*": SPARK})
    assert engines.for_job("rentals/sentiment_model", "linear_text") is EMBEDDED
    assert engines.for_job("rentals/classified_movie_reviews", "query") is SPARK
