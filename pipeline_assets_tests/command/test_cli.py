import errno

import pytest

from pipeline_assets.command.cli import told_in_one_line


def test_a_file_that_the_machine_refuses_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit), told_in_one_line():
        raise PermissionError(errno.EACCES, "Permission denied", "/srv/lake/catalog.db")
    told = "error: Permission denied: /srv/lake/catalog.db; see docs/machines.md\n"
    assert capsys.readouterr().err == told


def test_an_error_of_the_code_keeps_its_stack_trace() -> None:
    with pytest.raises(FileNotFoundError), told_in_one_line():
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "forgotten.csv")
