"""Datasets are found wherever a module of a package defines them."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from pipeline_assets import domains
from pipeline_assets.dataset.discovery import datasets_in, packages_of_others, require_registered
from pipeline_assets.errors import DeclarationError
from pipeline_assets_tests import diary

NOTES = """
import ibis.expr.types as ir
from pipeline_assets.dataset.asset import lake_asset
from pipeline_assets_tests.diary.assets import Entries, entries

@lake_asset(domain="notes", contract=Entries)
def {name}(entries: ir.Table) -> ir.Table:
    return entries
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package without modules."""
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "found_here"
    folder.mkdir()
    (folder / "__init__.py").touch()
    yield folder
    for name in [name for name in sys.modules if name.startswith("found_here")]:
        del sys.modules[name]


def test_a_package_is_looked_through_in_order_of_modules_and_lines() -> None:
    found = datasets_in(diary)
    assert [asset.name for asset in found.assets] == [
        f"diary/{name}" for name in ("pages", "entries", "letters")
    ]
    assert [source.name for source in found.landing] == ["diary"]


def test_a_new_module_needs_no_entry_anywhere(folder: Path) -> None:
    (folder / "b.py").write_text(NOTES.format(name="second"))
    (folder / "a.py").write_text(NOTES.format(name="first"))
    found = datasets_in(import_module("found_here"))
    # What the modules import is found, too, and found once.
    assert [asset.name for asset in found.assets] == [
        "diary/entries",
        "notes/first",
        "notes/second",
    ]


def test_an_installed_package_brings_its_domains_by_an_entry_point(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "a.py").write_text(NOTES.format(name="first"))
    (tmp_path / "found_here-1.0.dist-info").mkdir()
    points = tmp_path / "found_here-1.0.dist-info" / "entry_points.txt"
    points.write_text("[pipeline_assets.domains]\nnotes = found_here\n")
    found = datasets_in(domains, *packages_of_others())
    names = [asset.name for asset in found.assets]
    assert "notes/first" in names
    assert "taobao/raw_files" in names


def test_two_datasets_of_one_name_are_refused(folder: Path) -> None:
    for module in ("a.py", "b.py"):
        (folder / module).write_text(NOTES.format(name="twice"))
    with pytest.raises(ValueError, match="notes/twice is declared twice"):
        datasets_in(import_module("found_here"))


def test_a_module_that_cannot_be_imported_is_told(folder: Path) -> None:
    (folder / "a.py").write_text("import nowhere_to_be_found")
    with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
        datasets_in(import_module("found_here"))


def test_a_dataset_where_nobody_looks_for_one_is_refused(folder: Path) -> None:
    (folder / "helpers.py").write_text(NOTES.format(name="first"))
    import_module("found_here.helpers")
    said = "notes/first is declared in found_here.helpers, .* move it into a module of a domain"
    with pytest.raises(DeclarationError, match=said):
        require_registered(import_module("found_here"), datasets_in(diary).assets)


def test_every_domain_is_looked_through() -> None:
    found = datasets_in(domains)
    namespaces = dict.fromkeys(asset.table.namespace for asset in found.assets)
    assert list(namespaces) == [
        *("activity", "music", "pageviews", "ratings", "rentals", "taobao"),
    ]
