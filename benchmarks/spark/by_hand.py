"""What somebody would write by hand in PySpark for each heavy table.

They read the same files as ours and make the same rows, and do nothing else: no rejected rows are
taken out of lines; a review whose numbers cannot be read is dropped, and nobody hears of it.
"""

from collections.abc import Callable, Mapping
from typing import Final

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as sf

from spark_resources.job import Job

SPLIT: Final = "train"
COUNTRY: Final = ("snapshot", "country")
ARTIST: Final = ("snapshot", "artist_name")
RATING: Final = ("customer_id", "product_id", "star_rating", "product_title", "category")
NUMBERS: Final = {
    "star_rating": "int",
    "helpful_votes": "int",
    "total_votes": "int",
    "review_date": "date",
}


def impressions(spark: SparkSession, job: Job) -> DataFrame:
    """Skeleton lines to one row each."""
    cell = sf.split("value", ",")
    return _lines(spark, job, "sample_skeleton").select(
        cell[0].cast("long").alias("sample_id"),
        cell[1].cast("int").alias("click_label"),
        cell[2].cast("int").alias("conversion_label"),
        cell[3].alias("common_features_index"),
        cell[4].cast("int").alias("num_features"),
        sf.lit(SPLIT).alias("split"),
    )


def core_features(spark: SparkSession, job: Job) -> DataFrame:
    """Skeleton lines to one row per token."""
    cell = sf.split("value", ",")
    key = cell[0].cast("long").alias("sample_id")
    return _tokens(_lines(spark, job, "sample_skeleton"), key, cell[5])


def common_features(spark: SparkSession, job: Job) -> DataFrame:
    """Lines of shared features to one row per token."""
    cell = sf.split("value", ",")
    key = cell[0].alias("common_features_index")
    return _tokens(_lines(spark, job, "common_features"), key, cell[2])


def artist_rank_in_country(spark: SparkSession, job: Job) -> DataFrame:
    """Artists ranked within each country by what its people play."""
    order = Window.partitionBy(*COUNTRY).orderBy(sf.desc("total_playcount"), "artist_name")
    return _plays(spark, job).withColumn("rank", sf.row_number().over(order))


def country_rank_per_artist(spark: SparkSession, job: Job) -> DataFrame:
    """Countries ranked for each artist by his share of what they play."""
    of_country = sf.sum("total_playcount").over(Window.partitionBy(*COUNTRY))
    order = Window.partitionBy(*ARTIST).orderBy(sf.desc("normalized_popularity"), "country")
    shares = _plays(spark, job).withColumn(
        "normalized_popularity", sf.col("total_playcount") / of_country
    )
    return shares.withColumn("rank", sf.row_number().over(order))


def reviews(spark: SparkSession, job: Job) -> DataFrame:
    """Reviews with their numbers and dates as such; an empty field is null."""
    raw = _parquet(spark, job, "raw_reviews").filter("problem IS NULL")
    values = {name: sf.nullif(sf.col(name), sf.lit("")) for name in job.schema}
    for name, type_ in NUMBERS.items():
        raw = raw.filter(values[name].isNull() | values[name].try_cast(type_).isNotNull())
    return raw.select(
        *(value.try_cast(NUMBERS.get(name, "string")).alias(name) for name, value in values.items())
    )


def filtered_ratings(spark: SparkSession, job: Job) -> DataFrame:
    """Ratings of customers with five and products with ten of them."""
    ratings = _parquet(spark, job, "reviews").select(*RATING)
    kept = ratings
    for key, least in (("customer_id", 5), ("product_id", 10)):
        often = ratings.groupBy(key).count().filter(sf.col("count") >= least)
        kept = kept.join(often, key, "left_semi")
    return kept


ByHand = Callable[[SparkSession, Job], DataFrame]
PEERS: Final[Mapping[str, ByHand]] = {
    "taobao/impressions": impressions,
    "taobao/core_features": core_features,
    "taobao/common_features": common_features,
    "music/artist_rank_in_country": artist_rank_in_country,
    "music/country_rank_per_artist": country_rank_per_artist,
    "ratings/reviews": reviews,
    "ratings/filtered_ratings": filtered_ratings,
}
"""By the asset whose rows they make."""


def _lines(spark: SparkSession, job: Job, member: str) -> DataFrame:
    files = job.inputs["raw_files"].files
    return spark.read.text([file.uri for file in files if file.constants["member"] == member])


def _parquet(spark: SparkSession, job: Job, name: str) -> DataFrame:
    return spark.read.parquet(*(file.uri for file in job.inputs[name].files))


def _tokens(lines: DataFrame, key: Column, features: Column) -> DataFrame:
    listed = lines.select(key, features.alias("features"))
    each = listed.select(listed.columns[0], sf.explode(sf.split("features", "\x01")).alias("token"))
    halves = sf.split("token", "\x02")
    rest = sf.split(halves[1], "\x03")
    return each.filter("token != ''").select(
        each.columns[0],
        halves[0].alias("feature_name"),
        rest[0].cast("long").alias("feature_id"),
        rest[1].cast("double").alias("feature_value"),
        sf.lit(SPLIT).alias("split"),
    )


def _plays(spark: SparkSession, job: Job) -> DataFrame:
    users = _parquet(spark, job, "users").filter("country IS NOT NULL")
    heard = _parquet(spark, job, "user_top_artists").join(
        users.select("snapshot", "user_id", "country"), ["snapshot", "user_id"]
    )
    total = sf.sum("playcount").cast("double").alias("total_playcount")
    return heard.groupBy("snapshot", "country", "artist_name").agg(total)
