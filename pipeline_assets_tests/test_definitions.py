import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster_shared.yaml_utils import load_yaml_from_path

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.computation import table_of
from pipeline_assets.dataset.inputs import unbound
from pipeline_assets.dataset.lineage import column_lineage
from pipeline_assets.definitions import (
    DATASETS,
    assets_for,
    build_definitions,
    landing_for,
    scaffolded,
)
from pipeline_assets.graph import graph_for
from pipeline_assets.settings import Settings
from pipeline_assets.staleness.versions import evaluate, function_parameters
from pipeline_assets_tests.conftest import MakeSettings

ASSETS = DATASETS.assets
ROOT = Path(__file__).parents[1]
SNAPSHOT = Path(__file__).with_name("definitions.txt")
TARGET = {"module_name": "pipeline_assets.definitions", "location_name": "pipeline_assets"}

# A process that cannot call anybody, and tells which programs it started.
ALONE = """
import json, socket, sys

def refuse(*_args, **_kwargs):
    raise AssertionError("nobody may be called while definitions are imported")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
started = []
sys.addaudithook(lambda event, args: event == "subprocess.Popen" and started.append(str(args)))
from pipeline_assets.definitions import defs
graph = defs().resolve_asset_graph()
keys = graph.materializable_asset_keys
versions = {key.to_user_string(): graph.get(key).code_version for key in keys}
print(json.dumps({"versions": versions, "started": started}))
"""


@pytest.fixture(scope="module")
def graph() -> AssetGraph:
    return build_definitions(settings_here()).resolve_asset_graph()


@pytest.fixture(scope="module")
def selectable() -> AssetGraph:
    return graph_for(settings_here())


def settings_here(**changes: object) -> Settings:
    return Settings.model_validate({"lake_uri": "lake", "landing_uri": "landing", **changes})


SELECTIONS = (
    *(f'key:"{key}"' for key in ("taobao/*", "music/users", "landing/*", "nothing")),
    '+key:"music/similar_artists"',
    'key:"ratings/reviews"+2',
    'roots(group:"rentals")',
    'sinks(group:"rentals")',
    "group:music or kind:duckdb",
    "kind:iceberg and not kind:postgres",
    'owner:"team:recommender-data"',
    "tag:dagster/kind/word2vec",
    "tag:engine=embedded",
)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_selections_find_the_same_without_the_definitions(
    graph: AssetGraph, selectable: AssetGraph, selection: str
) -> None:
    chosen = dg.AssetSelection.from_string(selection)
    assert chosen.resolve(selectable) == chosen.resolve(graph)


def test_selections_see_what_the_definitions_say(graph: AssetGraph, selectable: AssetGraph) -> None:
    assert selectable.get_all_asset_keys() == graph.get_all_asset_keys()
    for key in graph.get_all_asset_keys():
        whole, seen = graph.get(key), selectable.get(key)
        for name in ("parent_keys", "group_name", "owners", "tags", "kinds"):
            assert getattr(seen, name) == getattr(whole, name), (key, name)


def test_definitions_load_alone_and_alike(tmp_path: Path, graph: AssetGraph) -> None:
    """No AWS variables, no JVM, no network, nothing written, and the same versions everywhere."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", ALONE]
    alone = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment | {"PYTHONHASHSEED": "7", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert alone.returncode == 0, alone.stderr
    told = json.loads(alone.stdout)
    assert not [command for command in told["started"] if "java" in command]
    assert told["versions"] == {
        key.to_user_string(): graph.get(key).code_version for key in graph.materializable_asset_keys
    }
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def _yaml(name: str) -> dict[str, Any]:
    loaded = load_yaml_from_path(str(ROOT / name))
    assert isinstance(loaded, dict)
    return loaded


def test_all_that_load_definitions_load_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    (workspace,) = _yaml("workspace.yaml")["load_from"]
    assert workspace["python_module"].items() >= TARGET.items()
    dagster = project["dagster"]
    dg_project = project["dg"]["project"]
    assert dagster == {
        "module_name": TARGET["module_name"],
        "code_location_name": TARGET["location_name"],
    }
    assert dg_project["code_location_target_module"] == TARGET["module_name"]
    assert dg_project["code_location_name"] == TARGET["location_name"]


def test_the_instance_sends_nothing_home() -> None:
    instance = _yaml("dagster.yaml")
    assert instance["telemetry"] == {"enabled": False}


def described(graph: AssetGraph) -> Iterator[str]:
    """What people and other systems rely on, one asset after the other."""
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        yield f"{key.to_user_string()}  [{node.group_name}] {' '.join(sorted(node.kinds))}".rstrip()
        if node.partitions_def:
            yield f"  partitions: {node.partitions_def}"
        for parent in sorted(node.parent_keys):
            yield f"  from {parent.to_user_string()}"
        for check in sorted(node.check_keys, key=lambda check: check.name):
            blocks = graph.get(check).blocking
            yield f"  {'must' if blocks else 'should'} {check.name}"
        yield ""


def test_the_graph_is_the_one_that_was_looked_at(
    graph: AssetGraph, request: pytest.FixtureRequest
) -> None:
    """Differs in review when the graph does: ``pytest --update-snapshots`` writes it anew."""
    text = "\n".join(described(graph))
    if request.config.getoption("--update-snapshots"):
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert SNAPSHOT.read_text(encoding="utf-8") == text


def test_every_asset_is_described_owned_and_grouped(graph: AssetGraph) -> None:
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.group_name == key.path[0], key
        if node.is_materializable:
            assert node.owners, key
            assert len(node.kinds) in range(1, 4), key
            assert node.freshness_policy, key
            assert node.metadata["dagster/column_schema"], key


@pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.name)
def test_an_asset_depends_on_what_its_signature_shows(asset: LakeAsset, graph: AssetGraph) -> None:
    """Checks and plots look at what the function reads, or run by themselves."""
    read = {spec.key for spec in asset.inputs}
    assert graph.get(asset.key).parent_keys == read
    assert {spec.name for spec in asset.inputs} <= set(function_parameters(asset))


def test_what_is_loaded_again_is_the_same(graph: AssetGraph) -> None:
    again = build_definitions(settings_here()).resolve_asset_graph()
    assert list(described(again)) == list(described(graph))


COMPUTED = [asset for asset in ASSETS if asset.kind != "ingest"]


@pytest.mark.parametrize("asset", COMPUTED, ids=lambda asset: asset.name)
def test_every_column_comes_from_columns_that_are_there(asset: LakeAsset) -> None:
    tables = {each.name: each.table for each in ASSETS}
    inputs = {spec.name: unbound(spec, tables[spec.upstream]) for spec in asset.reads}
    computed = evaluate(asset, inputs, asset.config_type and asset.config_type())
    lineage = column_lineage(table_of(computed))
    columns = {name: set(table.columns) for name, table in inputs.items()}
    # A field of a line is named behind it, as in line.sample_id.
    found = {source for each in lineage.values() for source in each}
    assert all(of.partition(".")[0] in columns[name] for name, of in found)
    assert any(lineage.values())


def test_what_dg_scaffolds_is_loaded_with_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "scaffolded_here" / "defs"
    (folder / "shop").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "shop" / "report.py").write_text(
        "import dagster as dg\n\n@dg.asset\ndef report() -> None: ...\n"
    )
    found = scaffolded(import_module("scaffolded_here.defs"))
    merged = dg.Definitions.merge(build_definitions(settings_here()), found)
    assert dg.AssetKey("report") in merged.resolve_asset_graph().materializable_asset_keys


def test_settings_reach_the_partitions(make_settings: MakeSettings) -> None:
    hourly = make_settings(rentals_granularity="hourly")
    assert {asset.name for asset in assets_for(hourly)} == {asset.name for asset in ASSETS}
    cuts = [asset.partitioning for asset in assets_for(hourly)]
    cuts += [source.partitioning for source in landing_for(hourly)]
    kinds = {type(cut.definition) for cut in cuts if cut and cut.column == "insert_date"}
    assert kinds == {dg.HourlyPartitionsDefinition}


def test_settings_reach_the_windows_of_events(make_settings: MakeSettings) -> None:
    chosen = {it.name: it for it in assets_for(make_settings(events_start="2026-05-01"))}
    daily, hourly = chosen["activity/customer_activity"], chosen["activity/events"]
    cuts = [daily.partitioning, hourly.partitioning, daily.inputs[0].windows]
    firsts = [cut.first_window and cut.first_window[0] for cut in cuts if cut]
    assert firsts == ["2026-05-01", "2026-05-01T00", "2026-05-01T00"]
