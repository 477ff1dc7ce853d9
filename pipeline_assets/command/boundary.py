"""Where every command ends: in its answer, or in one line that says what went wrong.

Exit codes: 0 all is well; 1 something was refused or failed, and the line says what; 2 the command
line itself is wrong; 3 a fault of this program, which ``--debug`` shows in full; 130 the command
was told to stop; 141 whoever read its output did not want more.
"""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

import click

from pipeline_assets.dataset.values.texts import printable
from pipeline_assets.errors import PipelineError, refusal_line

DEBUG: Final = "--debug"
FAILED: Final = 1
FAULT: Final = 3
STOPPED: Final = 130
UNREAD: Final = 141
GRACE_SECONDS: Final = 30.0
"""So long a process that was told to stop may clean up; then it ends as if it had been killed."""
_STOPPED: Final = "stopped; what is published stays, and the next run goes on"


@contextmanager
def one_line_errors(*, debug: bool = False) -> Iterator[None]:
    """Turn whatever goes wrong into one line on standard error and an exit code.

    Args:
        debug: Show the stack trace above the line.
    """
    try:
        yield
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort) as stop:
        _end(*_stopped(stop), debug)
    except BrokenPipeError:
        # Python would complain once more when it flushes what nobody reads.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(UNREAD)
    except (PipelineError, OSError, UnicodeEncodeError) as error:
        _end(FAILED, _refused(error), debug)
    except Exception as error:
        _end(FAULT, f"{_fault(error)}; {DEBUG} shows where", debug)


def obey_sigterm() -> None:
    """End as after Ctrl-C if the system asks the process to stop, and soon whatever it is doing.

    Python calls signal handlers between two of its own instructions only, so a library that waits
    for somebody, such as a database that holds a lock, keeps them waiting as well; and what they
    raise may be dropped by whoever catches everything.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    told, tells = os.pipe()
    os.set_blocking(tells, False)
    # The system writes the number of each signal there, whoever's handlers are in force: Dagster
    # has its own while a run goes on.
    signal.set_wakeup_fd(tells, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    threading.Thread(target=_end_after_grace, args=(told,), name="grace", daemon=True).start()


def _end_after_grace(told: int) -> None:
    while os.read(told, 1)[0] not in (signal.SIGTERM, signal.SIGINT):
        pass
    time.sleep(GRACE_SECONDS)
    os.write(sys.stderr.fileno(), f"error: {_STOPPED}\n".encode())
    os._exit(STOPPED)


def _end(code: int, line: str, debug: bool) -> NoReturn:
    if debug:
        click.echo(printable(traceback.format_exc()), err=True)
    click.echo(f"error: {printable(line)}", err=True)
    sys.exit(code)


def _stopped(stop: BaseException) -> tuple[int, str]:
    # Click takes whatever met the end of a file too early for somebody who has gone away.
    if isinstance(stop.__cause__, EOFError):
        return FAULT, f"{_fault(stop.__cause__)}; {DEBUG} shows where"
    return STOPPED, _STOPPED


def _refused(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        # The system hands over names of files as bytes, which need not be UTF-8.
        return f"{error.object[:200]} is no text in UTF-8: use another name"
    if isinstance(error, OSError):
        return refusal_line(error) or f"{error.strerror or error}: {error.filename}"
    return str(error)


def _fault(error: Exception) -> str:
    said = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    return f"this program failed in a way that nobody foresaw: {text}"
