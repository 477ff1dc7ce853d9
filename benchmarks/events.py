"""What a run of two small assets costs, with Dagster's databases kept open and with Dagster's own.

    python -m benchmarks.events --rounds 5

The two assets are published again and again in one process, on a lake with the listeners of the
sample, in turns with either storage of Dagster's events; the first round of each does not count.
"""

import argparse
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.harness import markdown
from benchmarks.startup import HERE, prepare
from pipeline_assets.command.batches import batches
from pipeline_assets.command.session import Session
from pipeline_assets.command.update import Updater
from pipeline_assets.orchestration.instance import open_instance
from pipeline_assets.orchestration.told import register

ASSETS: Final = frozenset({"music/raw_users", "music/users"})
SETTINGS: Final = """
instance_class: {{module: pipeline_assets.orchestration.instance, class: PipelineInstance}}
telemetry: {{enabled: false}}
{storage}
"""
DAGSTERS: Final = "storage: {{sqlite: {{base_dir: {home}}}}}"
STORAGES: Final[Mapping[str, str]] = {"kept open": "", "Dagster's own": DAGSTERS}


def updaters(folder: Path, stack: ExitStack) -> Iterator[tuple[str, Updater]]:
    """One for each storage, on the lake in the working folder."""
    session = Session()
    for name, storage in STORAGES.items():
        home = folder / name.replace("'", "").replace(" ", "_")
        home.mkdir()
        (home / "dagster.yaml").write_text(SETTINGS.format(storage=storage.format(home=home)))
        instance = stack.enter_context(open_instance(home, HERE))
        parts = (session.assets, session.sources, session.deployment, instance)
        updater = Updater(*parts, definitions=session.updater().definitions)
        register(instance, updater.sources, updater.listings())
        yield name, updater


def published_again(updater: Updater) -> tuple[float, float]:
    """Seconds of CPU, and on the clock, that a run of both assets takes."""
    found = updater.stale(updater.listings(), None, lambda asset, _: asset.name in ASSETS)
    work = batches([item for item in found if item.asset.name in ASSETS])
    cpu, clock = time.process_time(), time.monotonic()
    for outcome in updater.run(work):
        if outcome.faults:
            raise SystemExit(str(outcome.failures))
    return time.process_time() - cpu, time.monotonic() - clock


def main() -> None:
    """Take turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name) / "small"
        prepare(folder, HERE)
        os.chdir(folder)
        both = dict(updaters(Path(name), stack))
        turns = range(rounds + 1)
        taken = [{it: published_again(each) for it, each in both.items()} for _ in turns]
        rows = [
            [it, *(f"{median(turn[it][place] for turn in taken[1:]):.2f}" for place in (0, 1))]
            for it in both
        ]
        print(markdown(["Dagster's events", "CPU s a run", "s on the clock"], rows))


if __name__ == "__main__":
    main()
