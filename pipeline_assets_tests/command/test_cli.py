import errno

import pytest

from pipeline_assets.command.cli import one_line_errors


def test_a_file_that_the_machine_refuses_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit), one_line_errors():
        raise PermissionError(errno.EACCES, "Permission denied", "/srv/lake/catalog.db")
    told = "error: Permission denied: /srv/lake/catalog.db; see docs/machines.md\n"
    assert capsys.readouterr().err == told


def test_an_error_of_the_code_keeps_its_stack_trace() -> None:
    with pytest.raises(FileNotFoundError), one_line_errors():
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "forgotten.csv")
