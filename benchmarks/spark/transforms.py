"""Our compiled jobs on local Spark beside PySpark that somebody would write by hand.

Run: ``python -m benchmarks.spark.transforms [lines]``. Both sides share one session, read the same
files and write Parquet; each is timed three times in turn and the best counts.
"""

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from pipeline_assets.lake.sql import schema_names, to_sql
from pipeline_assets.taobao.lines import SKELETON, columns, tokens
from spark_resources.entry_point import execute
from spark_resources.job import Audit, Destination, Job, Source, SourceFile
from spark_resources.local import LocalConfig, LocalRunner

ROUNDS = 3
PLAYS = {"user_id": "long", "country": "string", "artist_name": "string", "playcount": "double"}


@dataclass(frozen=True)
class Contest:
    """One transform, twice.

    Attributes:
        ours: The expression that an asset would return.
        inputs: Its tables.
        by_hand: The same rows, written by hand.
    """

    name: str
    ours: ir.Table
    inputs: Mapping[str, Source]
    by_hand: Callable[[SparkSession], DataFrame]


def main(lines: int = 300_000) -> None:
    """Print a table of the best times in seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spark = LocalRunner(LocalConfig(folder, threads=2, memory_mib=2048)).session()
        print(f"{'transform':<28}{'ours':>8}{'by hand':>9}{'ratio':>7}{'rows':>12}")
        for contest in (core_features(folder, lines), rank_in_country(folder, lines)):
            compete(spark, contest, folder)


def compete(spark: SparkSession, contest: Contest, folder: Path) -> None:
    """Time both sides in turn, so that whatever else this machine does hits both."""
    ours, theirs, rows = [], [], 0
    for _ in range(ROUNDS):
        manifest = execute(spark, job_of(contest, fresh(folder / "ours")))
        ours.append(manifest.timings["inputs"] + manifest.timings["execute"])
        rows = manifest.rows
        theirs.append(timed(lambda: write(contest.by_hand(spark), fresh(folder / "theirs"))))
    if spark.read.parquet(str(folder / "theirs")).count() != rows:
        raise AssertionError(f"{contest.name}: both sides must give the same rows")
    best, other = min(ours), min(theirs)
    print(f"{contest.name:<28}{best:>8.2f}{other:>9.2f}{best / other:>7.2f}{rows:>12,}")


def job_of(contest: Contest, out: Path) -> Job:
    """What the lake would hand to a runner."""
    count = ibis.table(contest.ours.schema(), name="output").aggregate(rows=ibis._.count())
    return Job(
        token="benchmark",
        kind="query",
        inputs=contest.inputs,
        sql=to_sql(contest.ours, "pyspark"),
        schema=schema_names(contest.ours.schema()),
        destination=Destination(str(out)),
        audit=Audit(to_sql(count, "pyspark")),
    )


def core_features(folder: Path, lines: int) -> Contest:
    """Skeleton lines to one row per token."""
    path = skeleton_file(folder / "skeleton.csv", lines)
    raw = ibis.table({"line": "string", "split": "string"}, name="raw")
    skeleton = columns(raw, SKELETON)
    ours = tokens(skeleton.mutate(sample_id=skeleton.sample_id.try_cast("int64")), "sample_id")
    constants = {"split": "train"}
    source = Source("lines", schema_names(raw.schema()), (SourceFile(str(path), constants),))

    def by_hand(spark: SparkSession) -> DataFrame:
        line = sf.split("value", ",")
        each = spark.read.text(str(path)).select(
            line[0].cast("long").alias("sample_id"),
            sf.explode(sf.split(line[5], "\x01")).alias("token"),
        )
        halves = sf.split("token", "[\x02\x03]")
        return each.filter("token != ''").select(
            "sample_id",
            halves[0].alias("feature_name"),
            halves[1].cast("long").alias("feature_id"),
            halves[2].cast("double").alias("feature_value"),
            sf.lit("train").alias("split"),
        )

    return Contest("core_features from lines", ours, {"raw": source}, by_hand)


def rank_in_country(folder: Path, plays: int) -> Contest:
    """Plays to artists ranked within each country."""
    path = plays_file(folder / "plays.csv", plays)
    schema = {"line": "string"}
    raw = ibis.table(schema, name="raw")
    cells = raw.select(cells=raw.line.split(","))
    typed = cells.select(
        country=cells.cells[1],
        artist_name=cells.cells[2],
        playcount=cells.cells[3].try_cast("float64"),
    )
    totals = typed.group_by("country", "artist_name").aggregate(total=typed.playcount.sum())
    order = ibis.window(group_by=totals.country, order_by=[totals.total.desc(), totals.artist_name])
    ours = totals.mutate(rank=(ibis.row_number().over(order) + 1).cast("int32"))

    def by_hand(spark: SparkSession) -> DataFrame:
        cell = sf.split("value", ",")
        frame = spark.read.text(str(path)).select(
            cell[1].alias("country"),
            cell[2].alias("artist_name"),
            cell[3].cast("double").alias("playcount"),
        )
        frame.groupBy("country", "artist_name").agg(
            sf.sum("playcount").alias("total")
        ).createOrReplaceTempView("totals")
        rank = "row_number() OVER (PARTITION BY country ORDER BY total DESC, artist_name)"
        return spark.sql(f"SELECT *, CAST({rank} AS INT) AS rank FROM totals")

    source = Source("lines", schema_names(raw.schema()), (SourceFile(str(path)),))
    return Contest("artist_rank_in_country", ours, {"raw": source}, by_hand)


def skeleton_file(path: Path, lines: int) -> Path:
    """Skeleton lines of 8 to 18 tokens, as the real file has them."""
    draw = random.Random(1)
    with path.open("w") as file:
        for number in range(lines):
            count = draw.randint(8, 18)
            token = (
                f"{draw.choice(['205', '206', '210', '508', '853'])}\x02{draw.randrange(10**7)}"
                f"\x03{draw.random():.5f}"
                for _ in range(count)
            )
            file.write(f"{number},0,0,{draw.randrange(10**6):x},{count},{chr(1).join(token)}\n")
    return path


def plays_file(path: Path, plays: int) -> Path:
    """User, country, artist, plays."""
    draw = random.Random(2)
    with path.open("w") as file:
        for number in range(plays):
            country, artist = draw.randrange(60), int(draw.paretovariate(0.8)) % 20_000
            file.write(f"{number % 5000},country {country},artist {artist},{artist % 97}\n")
    return path


def write(frame: DataFrame, out: Path) -> None:
    """The plainest way to store a table."""
    frame.write.parquet(str(out))


def fresh(folder: Path) -> Path:
    """A folder that is not there yet."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def timed(action: Callable[[], None]) -> float:
    """Seconds that something takes."""
    start = time.monotonic()
    action()
    return time.monotonic() - start


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
