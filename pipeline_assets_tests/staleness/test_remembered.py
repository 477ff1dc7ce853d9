"""Versions are computed once, and again as soon as what they depend on may have changed."""

import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.staleness.remembered import (
    UNKNOWN,
    RememberedVersions,
    Versions,
    compute_versions,
)

LATER = time.time_ns() + 3600 * 1_000_000_000
"""As if this process had begun after all that a test writes."""
SHOP = {
    "__init__.py": '"""A shop."""',
    "limits.py": "LIMIT = 3",
    "names.csv": "ada",
    "assets.py": '''
import ibis.expr.types as ir
from pipeline_assets.dataset.asset import ingest_asset, lake_asset
from pipeline_assets.dataset.contract import Contract, Field, Long
from shop.limits import LIMIT

class Orders(Contract):
    """An order."""
    amount: Long = Field(description="How many.")

@ingest_asset(domain="shop", contract=Orders, code_version="1")
def raw_orders():
    """As they came."""

@lake_asset(domain="shop", contract=Orders)
def orders(raw_orders: ir.Table) -> ir.Table:
    """The small ones."""
    return raw_orders.filter(raw_orders.amount < LIMIT)
''',
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package of an author, whose modules are imported."""
    folder = tmp_path / "code" / "shop"
    folder.mkdir(parents=True)
    for name, text in SHOP.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    importlib.import_module("shop.assets")
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


@pytest.fixture
def remembered(tmp_path: Path) -> RememberedVersions:
    home = tmp_path / "home"
    home.mkdir()
    beside = [tmp_path / "pipeline.yaml"]
    return RememberedVersions(home / "versions.json", "as always", beside, LATER)


def assets_of(module: ModuleType) -> list[LakeAsset]:
    return [module.raw_orders, module.orders]


def imported() -> list[LakeAsset]:
    """The assets as a new process would import them."""
    for name in ("shop.limits", "shop.assets"):
        importlib.reload(sys.modules[name])
    return assets_of(sys.modules["shop.assets"])


def never(_assets: Sequence[LakeAsset]) -> Versions:
    raise AssertionError("the versions are computed although they are remembered")


@pytest.mark.usefixtures("shop")
def test_what_was_computed_once_is_not_computed_again(remembered: RememberedVersions) -> None:
    found = remembered.versions(imported())
    assert found == compute_versions(imported())
    assert found.code.keys() == found.audit.keys() == {"shop/raw_orders", "shop/orders"}
    assert remembered.versions(imported(), never) == found
    assert remembered.file.stat().st_mode & 0o077 == 0


def test_a_changed_helper_changes_the_version(shop: Path, remembered: RememberedVersions) -> None:
    before = remembered.versions(imported())
    (shop / "limits.py").write_text("LIMIT = 4")
    after = remembered.versions(imported())
    assert after.code["shop/orders"] != before.code["shop/orders"]
    assert after == compute_versions(imported())
    assert remembered.versions(imported(), never) == after


def edit(path: str, text: str) -> Callable[[Path], None]:
    def change(shop: Path) -> None:
        (shop / path).write_text(text)

    return change


def same_length_and_time(shop: Path) -> None:
    """What copies that keep times do."""
    path, other = shop / "limits.py", shop / "other"
    other.write_text("LIMIT = 5")
    kept = path.stat()
    other.replace(path)
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], None]] = {
    "a module": edit("limits.py", "LIMIT = 44"),
    "a module of the same length": edit("limits.py", "LIMIT = 4"),
    "a module of the same length and time": same_length_and_time,
    "a new module": edit("more.py", ""),
    "a file that a module may read": edit("names.csv", "bob"),
    "a file that is gone": lambda shop: (shop / "names.csv").unlink(),
    "the config of the deployment": edit("../../pipeline.yaml", "assets: {}"),
    "a damaged file of versions": edit("../../home/versions.json", '{"circum'),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_noticed(
    shop: Path, remembered: RememberedVersions, change: Callable[[Path], None]
) -> None:
    assets = imported()
    remembered.versions(assets)
    change(shop)
    with pytest.raises(AssertionError):
        remembered.versions(assets, never)


@pytest.mark.usefixtures("shop")
def test_other_settings_and_other_assets_are_noticed(remembered: RememberedVersions) -> None:
    assets = imported()
    remembered.versions(assets)
    for others, asked in (
        (replace(remembered, circumstances="another limit"), assets),
        (remembered, assets[:1]),
    ):
        with pytest.raises(AssertionError):
            others.versions(asked, never)


@pytest.mark.usefixtures("shop")
def test_a_file_of_another_place_is_noticed(
    remembered: RememberedVersions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = imported()
    remembered.versions(assets)
    (tmp_path / "limits.py").write_text("LIMIT = 9")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("limits")
    try:
        with pytest.raises(AssertionError):
            remembered.versions(assets, never)
    finally:
        del sys.modules["limits"]


def test_what_has_changed_since_the_process_began_is_neither_kept_nor_believed(
    shop: Path, remembered: RememberedVersions
) -> None:
    began = replace(remembered, began_ns=(shop / "limits.py").stat().st_mtime_ns)
    began.versions(imported())
    assert not remembered.file.exists()
    remembered.versions(imported())
    with pytest.raises(AssertionError):
        began.versions(imported(), never)


@pytest.mark.usefixtures("shop")
def test_without_a_home_nothing_is_kept_and_nothing_computed(
    remembered: RememberedVersions, tmp_path: Path
) -> None:
    homeless = replace(remembered, file=tmp_path / "nowhere" / "versions.json")
    assert homeless.versions(imported(), never) == UNKNOWN
    assert not homeless.file.parent.exists()
