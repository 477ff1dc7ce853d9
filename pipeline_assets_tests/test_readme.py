"""The README's example of a new dataset does what the README says."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.definitions import DATASETS, build_definitions
from pipeline_assets.sample.taobao import write_taobao
from pipeline_assets.settings import Settings
from pipeline_assets_tests.truth.taobao import split_truth

ASSETS = DATASETS.assets

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The example's names, defined as if it stood in the Taobao domain."""
    (code,) = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    module = ModuleType("pipeline_assets.domains.taobao.example")
    exec(compile(code, str(README), "exec"), vars(module))
    return vars(module)


def test_its_own_test_passes(example: dict[str, Any]) -> None:
    tests = [value for name, value in example.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test()


def test_it_is_published_beside_the_others(example: dict[str, Any], tmp_path: Path) -> None:
    asset: LakeAsset = example["field_coverage"]
    write_taobao(tmp_path / "landing", scale=0.02)
    settings = Settings(lake_uri=str(tmp_path / "lake"), landing_uri=str(tmp_path / "landing"))
    definitions = build_definitions(settings, assets=[*ASSETS, asset])
    upstream = dg.AssetSelection.assets(asset.key).upstream()

    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        partition_key="test",
        asset_selection=sorted(
            upstream.resolve(definitions.resolve_asset_graph())
            & {made.key for made in [*ASSETS, asset]}
        ),
    )

    (event,) = result.asset_materializations_for_node("taobao__field_coverage")
    rows = event.metadata["dagster/partition_row_count"].value
    assert rows == len(split_truth(tmp_path / "landing", "test").core_tokens_per_field)
