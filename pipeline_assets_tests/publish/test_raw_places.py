"""Raw text lies beside the Parquet file of its attempt, wherever that was when it was written."""

from pipeline_assets.publish.io_managers import _beside


def test_raw_text_is_read_where_the_rows_that_name_it_lie() -> None:
    """In production that of a promoted table, and in an environment that of a clone."""
    production, own = "/lake/taobao/raw", "/lake/_environments/dev_x/taobao/raw"
    attempts = {f"{own}/data/0a", f"{production}/data/0b"}
    assert _beside(own, attempts, f"{production}/data/0b/raw/1") == f"{production}/data/0b/raw/1"
    assert _beside(own, attempts, f"{own}/data/0a/raw/1") == f"{own}/data/0a/raw/1"
    promoted = {f"{production}/data/0a"}
    assert _beside(production, promoted, f"{own}/data/0a/raw/1") == f"{production}/data/0a/raw/1"
    moved = {"/moved/taobao/raw/data/0a"}
    beside = _beside("/moved/taobao/raw", moved, f"{production}/data/0a/raw/1")
    assert beside == "/moved/taobao/raw/data/0a/raw/1"
