from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from benchmarks.spark.learning import TOLERATED, embeddings, sentiments

SCALE = 0.3


@pytest.mark.spark
def test_spark_learns_as_well_as_the_embedded_engine(spark: SparkSession, tmp_path: Path) -> None:
    """Genres, hidden artists and reviews' classes, found to within two points."""
    compared = [*embeddings(spark, SCALE), sentiments(spark, SCALE, str(tmp_path))]
    worse = [row for row in compared if row[1] - row[2] > TOLERATED]
    assert len(compared) == 3
    assert not worse
