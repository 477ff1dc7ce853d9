"""Whoever kills a command, at whatever point, finds production whole and can go on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline_assets.environments.environments import Environments
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalogs.durable_catalog import DurableSqlCatalog
from pipeline_assets.iceberg.local_files import LocalFileIO
from pipeline_assets.storage.objects import LocalStore
from pipeline_assets_tests.environments.trying import (
    AFTER,
    BEFORE,
    both,
    change,
    files_of_production,
    promote,
    published_lake,
    rows,
)

STEPS: Final = (
    (LocalStore, ("put", "copy", "delete")),
    (LocalFileIO, ("new_output",)),
    (
        DurableSqlCatalog,
        ("create_namespace", "register_table", "commit_table", "drop_table", "drop_namespace"),
    ),
)
"""What a command does to the lake."""


class Killed(BaseException):
    """The process is gone: nobody handles it."""


@contextmanager
def killed_before(step: int) -> Iterator[list[int]]:
    """Kill before the step of this number, from 0; the list grows with every step done."""
    done: list[int] = []

    def counting(real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - of the real one
            if len(done) == step:
                raise Killed
            done.append(step)
            return real(*arguments, **options)

        return counted

    with pytest.MonkeyPatch.context() as patched:
        for owner, names in STEPS:
            for name in names:
                patched.setattr(owner, name, counting(getattr(owner, name)))
        yield done


def killed_everywhere(prepared: Path, command: Callable[[], object]) -> Iterator[int]:
    """Run a command again and again, killed one step later each time, until it comes to its end."""
    step = 0
    while True:
        with killed_before(step) as done:
            try:
                command()
            except Killed:
                pass
            else:
                break
        assert len(done) == step, f"{prepared}: nothing was killed"
        yield step
        step += 1


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    return Environments(published_lake(tmp_path))


def require_untouched(environments: Environments, before: dict[str, object], folder: Path) -> None:
    assert both(environments.lake) == {"music.plays": BEFORE, "music.totals": BEFORE}
    assert files_of_production(folder) == before


def test_killed_while_it_is_created(environments: Environments, tmp_path: Path) -> None:
    before = files_of_production(tmp_path)
    for step in killed_everywhere(tmp_path, lambda: environments.create("dev_x")):
        require_untouched(environments, before, tmp_path)
        assert environments.names() == []
        if step:  # before the first step there is nothing to drop
            environments.drop("dev_x")
    assert both(environments.lake_in("dev_x")) == both(environments.lake)


def test_killed_while_it_is_dropped(environments: Environments, tmp_path: Path) -> None:
    """The next attempt to drop it goes on where the killed one ended."""
    before = files_of_production(tmp_path)
    environments.create("dev_x")
    change(environments.lake_in("dev_x"))
    steps = 0
    for _ in killed_everywhere(tmp_path, lambda: environments.drop("dev_x")):
        require_untouched(environments, before, tmp_path)
        steps += 1
        if steps > 1:
            with pytest.raises(PipelineError, match="env drop dev_x"):
                environments.create("dev_x")
    assert steps > 3
    require_untouched(environments, before, tmp_path)
    environments.create("dev_x")


def test_killed_while_it_is_promoted(environments: Environments, tmp_path: Path) -> None:
    """A table is as before or promoted as a whole, and whoever promotes again finishes it."""
    environments.create("dev_x")
    change(environments.lake_in("dev_x"))
    seen = []
    for _ in killed_everywhere(tmp_path, lambda: promote(environments, "dev_x")):
        plays, totals = both(environments.lake).values()
        assert (plays, totals) in [(BEFORE, BEFORE), (AFTER, BEFORE), (AFTER, AFTER)]
        seen.append((plays, totals))
        assert rows(environments.lake_in("dev_x")) == AFTER
    assert (BEFORE, BEFORE) in seen
    assert (AFTER, BEFORE) in seen
    environments.drop("dev_x")
    assert both(environments.lake) == {"music.plays": AFTER, "music.totals": AFTER}
