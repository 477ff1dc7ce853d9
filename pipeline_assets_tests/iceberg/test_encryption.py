"""Every object that the lake writes to S3 names the KMS key."""

from pathlib import Path

from pipeline_assets.iceberg.growing_tables import compact
from pipeline_assets.orchestration.resources.spark import encryption
from pipeline_assets.profiles.profiles import PROFILES
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access, split_s3_uri
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.diary.bench import diary, land

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def keys_of(store: S3Store, uri: str) -> dict[str, str | None]:
    """The key of every object below a prefix."""
    found: dict[str, str | None] = {}
    for item in store.list(uri):
        bucket, key = split_s3_uri(item.uri)
        found[item.uri] = store.client.head_object(Bucket=bucket, Key=key).get("SSEKMSKeyId")
    return found


def test_every_object_of_the_lake_names_the_key(
    make_settings: MakeSettings, s3: S3Access, s3_store: S3Store, bucket: str
) -> None:
    settings = make_settings(
        lake_uri=f"{bucket}/lake",
        s3_endpoint_url=s3.endpoint_url,
        s3_region=s3.region,
        kms_key_id=KEY,
    )
    bench = diary(settings)
    for pages in (1, 30):
        land(bench, "mon", one="ada: hello\nbob: goodbye\n" * pages)
        assert bench.run("mon").success
    assert bench.run().success
    compact(bench.lake, PROFILES)
    bench.store.move(
        next(item.uri for item in bench.store.list(f"{bucket}/lake/diary/pages/data")),
        f"{bucket}/lake/moved",
    )
    found = keys_of(s3_store, f"{bucket}/lake")
    assert set(found.values()) == {KEY}
    endings = {Path(uri).suffix for uri in found}
    assert endings >= {".parquet", ".json", ".avro"}
    assert any("/raw/" in uri for uri in found)
    assert bench.query("SELECT sum(letters) FROM diary.letters") == [(360,)]


def test_without_a_key_the_bucket_decides(
    make_settings: MakeSettings, s3: S3Access, s3_store: S3Store, bucket: str
) -> None:
    settings = make_settings(lake_uri=f"{bucket}/lake", s3_endpoint_url=s3.endpoint_url)
    bench = diary(settings)
    land(bench, "mon", one="ada: hello")
    assert bench.run("mon").success
    assert set(keys_of(s3_store, f"{bucket}/lake").values()) == {None}


def test_spark_is_told_the_key() -> None:
    assert encryption(None) == {}
    assert encryption(KEY)["spark.hadoop.fs.s3a.encryption.key"] == KEY
