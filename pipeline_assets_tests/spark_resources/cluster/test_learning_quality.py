import pytest
from pyspark.sql import SparkSession

from benchmarks.spark.learning import TOLERATED, embeddings

SCALE = 0.3


@pytest.mark.spark
def test_spark_learns_as_well_as_the_embedded_engine(spark: SparkSession) -> None:
    """Genres and hidden artists, found to within two points."""
    compared = list(embeddings(spark, SCALE))
    worse = [row for row in compared if row[1] - row[2] > TOLERATED]
    assert len(compared) == 2
    assert not worse
