"""Whatever goes wrong ends in one line and an exit code that says whose fault it is."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from pipeline_assets.command.boundary import one_line_errors
from pipeline_assets.command.cli import cli
from pipeline_assets.errors import PipelineError


def ending(error: BaseException, *, debug: bool = False) -> int:
    with pytest.raises(SystemExit) as end, one_line_errors(debug=debug):
        raise error
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (PipelineError("Folder /landing does not exist"), 1, "Folder /landing does not exist"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/srv/lake/catalog.db"),
            1,
            "Permission denied: /srv/lake/catalog.db; see docs/machines.md",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "forgotten.csv"),
            1,
            "No such file or directory: forgotten.csv",
        ),
        (
            KeyError("customer"),
            3,
            "this program failed in a way that nobody foresaw: KeyError: 'customer'; "
            "--debug shows where",
        ),
        (
            KeyboardInterrupt(),
            130,
            "stopped; what is published stays, and the next run goes on",
        ),
        (PipelineError("a\x1b[2Jb\udcff.csv"), 1, "a\\x1b[2Jb\\udcff.csv"),
    ],
    ids=["refused", "machine", "missing file", "fault", "ctrl-c", "control sequence"],
)
def test_every_error_is_one_line_and_a_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    assert ending(error) == code
    assert capsys.readouterr().err == f"error: {line}\n"


def test_debug_shows_the_stack_trace_above_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(KeyError("customer"), debug=True) == 3
    told = capsys.readouterr().err
    assert told.startswith("Traceback (most recent call last):")
    assert told.splitlines()[-1].startswith("error: this program failed")


def test_a_wrong_command_line_is_clicks_own_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(click.UsageError("No such option: --parition")) == 2
    assert capsys.readouterr().err.endswith("Error: No such option: --parition\n")


def test_sigterm_ends_a_command_as_ctrl_c_does() -> None:
    script = (
        "import time\n"
        "from pipeline_assets.command.boundary import obey_sigterm, one_line_errors\n"
        "obey_sigterm()\n"
        "with one_line_errors():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert told.startswith("error: stopped; ")


def test_a_command_that_does_not_notice_sigterm_ends_all_the_same() -> None:
    script = (
        "import time\n"
        "from pipeline_assets.command import boundary\n"
        "boundary.GRACE_SECONDS = 0.5\n"
        "boundary.obey_sigterm()\n"
        "with boundary.one_line_errors():\n"
        "    print('ready', flush=True)\n"
        "    while True:\n"
        "        try:\n"
        "            time.sleep(60)\n"
        "        except BaseException:\n"
        "            pass\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGTERM)
        try:
            _, told = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    assert told == "error: stopped; what is published stays, and the next run goes on\n"


def test_who_reads_no_further_ends_the_command_quietly() -> None:
    script = (
        "from pipeline_assets.command.boundary import one_line_errors\n"
        "with one_line_errors():\n"
        "    for n in range(10**6):\n"
        "        print(n)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == "0\n"
    process.stdout.close()
    assert process.wait(timeout=30) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    """The words of every command, groups within groups included."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield (*above, name)
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)


@pytest.mark.parametrize("words", list(commands(cli)), ids=" ".join)
def test_help_needs_neither_a_lake_nor_settings(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*words, "--help"], obj=None)
    assert (result.exit_code, result.exception) == (0, None)
    assert result.stdout.startswith("Usage: ")
