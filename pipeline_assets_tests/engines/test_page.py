"""The table of what is equal on which engine says what the tests compare."""

from pipeline_assets_tests.engines.page import PAGE, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(), "run: make docs"
