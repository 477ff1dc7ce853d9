from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark_resources.runners.local import LocalConfig, LocalRunner

# Tests run every line of Java once or twice: compile it fast rather than well.
COMPILED_FAST = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
COLD_START = {
    "spark.driver.extraJavaOptions": COMPILED_FAST,
    "spark.sql.shuffle.partitions": "2",
}


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> LocalRunner:
    folder: Path = tmp_path_factory.mktemp("spark")
    return LocalRunner(LocalConfig(folder, threads=2, memory_mib=1024, spark_conf=COLD_START))


@pytest.fixture(scope="session")
def spark(runner: LocalRunner) -> SparkSession:
    return runner.session()
