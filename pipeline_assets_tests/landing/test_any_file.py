"""What a small file may unfold to, whatever its format."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_assets.dataset.values.progress import SILENT
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.any_file import FileFormat, FileRecords
from pipeline_assets.storage.objects import LocalStore

ROWS = 650_000


def rows(folder: Path, format_: FileFormat, expansion: int) -> int:
    workspace = Workspace(
        (), LocalStore(), "nowhere", 1 << 20, SILENT, print, landing_expansion=expansion
    )
    files = tuple(LocalStore().list(str(folder)))
    read = FileRecords(format_, {"tag": "tag"})
    return sum(batch.num_rows for batch in read.batches(files, workspace))


@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_a_file_that_unfolds_too_far_is_refused_unless_the_settings_allow_it(
    tmp_path: Path, format_: FileFormat
) -> None:
    path = tmp_path / f"tags.{format_}"
    if format_ == "parquet":
        pq.write_table(pa.table({"tag": ["rock music"] * ROWS}), path)
    else:
        path.write_bytes(gzip.compress(b'{"tag":"rock music"}\n' * ROWS))
    with pytest.raises(PipelineError, match=r"unfolds to more than 100 times .*_EXPANSION$"):
        rows(tmp_path, format_, 100)
    assert rows(tmp_path, format_, 1_000_000) == ROWS


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tags.jsonl").write_bytes(b'{"tag": "' + b"x" * (18 << 20))
    with pytest.raises(PipelineError, match=r"has a line of over 16 MiB; is it JSON Lines\?"):
        rows(tmp_path, "jsonl", 100)
