"""The generated pages are current."""

import pytest

from pipeline_assets.command.docs import FOLDER, pages


@pytest.mark.parametrize("name", list(pages()))
def test_generated_page_is_current(name: str) -> None:
    assert (FOLDER / name).read_text() == pages()[name], "run: make docs"
