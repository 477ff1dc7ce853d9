"""What is installed is what was chosen, byte for byte, and under which licences."""

import re
import tomllib
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

from pipeline_assets_tests.dependencies.licences import PAGE, licence_of, page
from pipeline_assets_tests.dependencies.pins import CONSTRAINTS, pins

PINS = {re.sub(r"[._-]+", "-", pin.name).lower(): pin for pin in pins()}
NOT_FOR_US = re.compile(r"AGPL|Affero|SSPL|Server Side Public|BUSL|Business Source|Commons Clause")


def test_every_package_has_the_hashes_of_its_files() -> None:
    assert len(PINS) > 200
    assert [pin.name for pin in PINS.values() if not pin.hashes] == []


def test_every_dependency_is_pinned_to_a_version_that_the_project_takes() -> None:
    project = tomllib.loads((CONSTRAINTS.parent / "pyproject.toml").read_text())["project"]
    # Whoever trains brings the build of torch that fits the machine.
    extras = [it for name, it in project["optional-dependencies"].items() if name != "training"]
    for text in [*project["dependencies"], *(each for extra in extras for each in extra)]:
        requirement = Requirement(text)
        name = re.sub(r"[._-]+", "-", requirement.name).lower()
        if name != "pipeline-assets":
            assert requirement.specifier.contains(PINS[name].version), text


def test_what_is_pinned_is_what_the_tests_run_with() -> None:
    here = {name: pin for name, pin in PINS.items() if not pin.marker}
    assert {name: version(name) for name in here} == {n: pin.version for n, pin in here.items()}


@pytest.mark.parametrize("part", ["demo", "installer"])
def test_a_part_of_what_is_pinned_is_pinned_to_the_same_files(part: str) -> None:
    chosen = list(pins(CONSTRAINTS.parent / "constraints" / f"{part}.txt"))
    every = {(pin.name, pin.version, pin.hashes) for pin in PINS.values()}
    assert 0 < len(chosen) < len(every)
    assert [pin.name for pin in chosen if (pin.name, pin.version, pin.hashes) not in every] == []


def test_the_page_of_licences_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: make docs"


def test_no_licence_forbids_what_the_project_is_for() -> None:
    licences = {pin.name: licence_of(pin) for pin in PINS.values()}
    assert {name for name, licence in licences.items() if NOT_FOR_US.search(licence)} == set()
    assert {name for name, licence in licences.items() if licence in {"unknown", ""}} == set()
