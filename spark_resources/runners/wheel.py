"""Builds the wheel that jobs take to a cluster.

The same sources give the same bytes, on any machine. So its hash names it on S3, and it is uploaded
once per version of the code.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

PACKAGE: Final = "spark_resources"
VERSION: Final = "0.1.0"

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_METADATA: Final = f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n"
_WHEEL: Final = (
    "Wheel-Version: 1.0\nGenerator: pipeline-assets\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
)


@dataclass(frozen=True)
class Wheel:
    """The content of a wheel.

    See https://packaging.python.org/specifications/binary-distribution-format.
    """

    content: bytes

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def stem(self) -> str:
        """The file's name without ``.whl``."""
        return f"{PACKAGE}-{VERSION}-py3-none-any"

    def save(self, folder: Path) -> Path:
        """Write the wheel to a folder that its digest names."""
        path = folder / self.digest[:16] / f"{self.stem}.whl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content)
        return path


def build_wheel(source: Path = Path(__file__).parents[1]) -> Wheel:
    """Pack the modules of the package in a folder that a cluster needs."""
    # Without the runners, which need boto3.
    modules = sorted([*source.glob("*.py"), *(source / "cluster").rglob("*.py")])
    files = {f"{PACKAGE}/{path.relative_to(source)}": path.read_bytes() for path in modules}
    info = f"{PACKAGE}-{VERSION}.dist-info"
    files[f"{info}/METADATA"] = _METADATA.encode()
    files[f"{info}/WHEEL"] = _WHEEL.encode()
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD").encode()
    return Wheel(_archive(files))


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            # Not compressed, because different versions of zlib compress to different bytes.
            archive.writestr(entry, content, zipfile.ZIP_STORED)
    return buffer.getvalue()


def _record(files: Mapping[str, bytes], record: str) -> str:
    lines = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        lines.append(f"{name},sha256={digest},{len(content)}")
    return "\n".join([*lines, f"{record},,", ""])
