import io
import tarfile
from pathlib import Path

from pipeline_assets_tests.truth.taobao import SplitTruth, split_truth

SKELETON = (
    b"1,1,0,a,2,205\x021\x031.0\x01210\x022\x030.5\n"
    b"2,0,1,b,7,205\x023\x031.0\n"  # its common line is rejected, its number of features wrong
    b"3,2,0,a,0,\n"
    b"4,0,0,a,1,20"
)
COMMON = b"a,1,101\x024\x031.0\nb,many,\n"


def test_the_lines_of_both_files_are_accounted_for(tmp_path: Path) -> None:
    names = ("sample_skeleton_test.csv", "common_features_test.csv")
    (tmp_path / "taobao").mkdir()
    with tarfile.open(tmp_path / "taobao/taobao_test.tar.gz", "w:gz") as archive:
        for name, content in zip(names, (SKELETON, COMMON), strict=True):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert split_truth(tmp_path, "test") == SplitTruth(
        skeleton_lines=4,
        impressions=2,
        clicks=1,
        conversions=1,
        conversions_without_click=1,
        impressions_without_common_features=1,
        core_tokens_per_field={"205": 2, "210": 1},
        common_lines=2,
        common_rows=1,
        common_tokens_per_field={"101": 1},
        rejected={
            names[0]: {"bad_label": 1, "cut_line": 1},
            names[1]: {"bad_feature_num": 1},
        },
        feature_num_mismatches={names[0]: 1, names[1]: 0},
    )
