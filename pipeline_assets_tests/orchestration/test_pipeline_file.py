"""The declared config: read, checked, and refused in one line that says what to write."""

from pathlib import Path

import pytest

from pipeline_assets.dataset.values.config import plain
from pipeline_assets.definitions import assets_for
from pipeline_assets.errors import PipelineError
from pipeline_assets_tests.conftest import MakeSettings

DECLARED = """
assets:
  ratings/filtered_ratings:
    config: {min_customer_rows: 2, min_product_rows: 2}
    partitions:
      Digital_Video_Download: {method: k_core}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pipeline.yaml"


def configs(make_settings: MakeSettings, file: Path, *keys: str) -> list[object]:
    assets = {asset.name: asset for asset in assets_for(make_settings(config_file=file))}
    found = (assets["ratings/filtered_ratings"].config(key) for key in keys)
    return [tuple(plain(config).values()) if config else None for config in found]


def test_config_is_declared_by_asset_and_by_partition(
    make_settings: MakeSettings, file: Path
) -> None:
    file.write_text(DECLARED)
    assert configs(make_settings, file, "Gift_Card", "Digital_Video_Download") == [
        ("one_shot", 2, 2),
        ("k_core", 2, 2),
    ]


def test_the_file_of_the_working_folder_is_read(
    make_settings: MakeSettings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    file.write_text(DECLARED)
    asset = {it.name: it for it in assets_for(make_settings())}["ratings/filtered_ratings"]
    assert asset.declared.fields == {"min_customer_rows": 2, "min_product_rows": 2}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("assets: {ratings/filtered_rating: }", "did you mean ratings/filtered_ratings?"),
        ("asset: {}", "there is no section asset; did you mean assets?"),
        ("assets: {ratings/reviews: {config: {a: 1}}}", "ratings/reviews has no config"),
        ("assets: {ratings/filtered_ratings: {confg: {}}}", "did you mean config?"),
        (
            "assets: {ratings/filtered_ratings: {config: {min_customers_rows: 2}}}",
            "there is no `min_customers_rows`; did you mean min_customer_rows?",
        ),
        (
            "assets: {ratings/filtered_ratings: {config: {min_customer_rows: 0}}}",
            "`min_customer_rows`: Input should be greater than or equal to 1, not 0",
        ),
        (
            "assets: {ratings/filtered_ratings: {partitions: {Books: {method: two_shot}}}}",
            "partition Books: `method`: Input should be 'one_shot' or 'k_core', not 'two_shot'",
        ),
        (
            "assets: {rentals/sentiment_model: {partitions: {monday: {}}}}",
            "partition monday cannot be: the table has no partitions",
        ),
        ("assets: [ratings]", "assets: expected names with values, not ['ratings']"),
        ("assets: {", "is no YAML"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    make_settings: MakeSettings, file: Path, text: str, told: str
) -> None:
    file.write_text(text)
    with pytest.raises(PipelineError) as caught:
        configs(make_settings, file)
    assert told in str(caught.value)
    assert "pipeline.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_named_must_be_there(make_settings: MakeSettings, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"nowhere\.yaml cannot be read"):
        configs(make_settings, tmp_path / "nowhere.yaml")
