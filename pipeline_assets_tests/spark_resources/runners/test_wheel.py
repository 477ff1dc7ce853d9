import subprocess
import sys
import zipfile
from pathlib import Path

import spark_resources
from spark_resources.runners.wheel import build_wheel


def test_same_sources_same_bytes() -> None:
    assert build_wheel().content == build_wheel().content


def test_other_sources_another_name(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("X = 1\n")
    before = build_wheel(tmp_path).digest
    (tmp_path / "a.py").write_text("X = 2\n")
    assert build_wheel(tmp_path).digest != before


def test_a_cluster_can_import_it_from_the_archive(tmp_path: Path) -> None:
    """With nothing but Python and pyspark; neither boto3 nor Dagster is there."""
    archive = tmp_path / "package.zip"
    archive.write_bytes(build_wheel().content)
    program = f"""
import sys
sys.modules.update(dict.fromkeys(["boto3", "botocore", "dagster", "numpy", "pandas", "pyarrow"]))
sys.path.insert(0, {str(archive)!r})
import spark_resources.cluster.entry_point
print(spark_resources.__file__)
"""
    told = subprocess.check_output([sys.executable, "-P", "-c", program], cwd=tmp_path, text=True)
    assert told.startswith(str(archive))


def test_pip_installs_it(tmp_path: Path) -> None:
    wheel = build_wheel().save(tmp_path)
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps"]
    subprocess.check_call([*pip, "--target", str(target), str(wheel)])
    source = Path(spark_resources.__file__).parent
    installed = target / "spark_resources" / "job.py"
    assert installed.read_bytes() == (source / "job.py").read_bytes()


def test_every_file_is_recorded(tmp_path: Path) -> None:
    with zipfile.ZipFile(build_wheel().save(tmp_path)) as archive:
        record = archive.read("spark_resources-0.1.0.dist-info/RECORD").decode()
        assert {line.split(",")[0] for line in record.splitlines()} == set(archive.namelist())
