"""What a run of two small assets costs, with Dagster's databases kept open and with Dagster's own.

    python -m benchmarks.events --rounds 5

The two assets are published again and again in one process, on a lake with the listeners of the
sample, in turns with either storage of Dagster's events; the first round of each does not count.
The floor are two assets with the same inputs, partitions and checks, and so with the same events,
whose functions and IO managers do nothing.
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

import dagster as dg

from benchmarks.harness import markdown
from benchmarks.startup import HERE, prepare
from pipeline_assets.command.batches import batches
from pipeline_assets.command.runs import Runs
from pipeline_assets.command.session import Session
from pipeline_assets.command.update import Updater
from pipeline_assets.orchestration.instance import open_instance
from pipeline_assets.orchestration.told import register
from pipeline_assets.publish.dagster_assets import RESULT

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


class Nowhere(dg.IOManager):
    """Keeps nothing and loads nothing."""

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Do nothing."""

    def load_input(self, context: dg.InputContext) -> None:
        """Do nothing."""


def hollow(asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """An asset with the same inputs, partitions and checks, and a function that does nothing."""
    checks = list(asset.check_specs)

    @dg.multi_asset(
        name=asset.op.name,
        ins={name: dg.AssetIn(key) for name, key in asset.keys_by_input_name.items()},
        outs={RESULT: dg.AssetOut(key=asset.key)},
        partitions_def=asset.partitions_def,
        check_specs=checks,
    )
    def nothing(**_inputs: object) -> Iterator[object]:
        yield from (dg.AssetCheckResult(passed=True, check_name=it.name) for it in checks)
        yield dg.Output(None, RESULT)

    return nothing


def floor(updater: Updater) -> Runs:
    """What executes hollow assets instead of those of an updater."""
    found = (updater.definitions.resolve_assets_def(name.split("/")) for name in sorted(ASSETS))
    hollows = [hollow(asset) for asset in found]
    landed = {key for asset in hollows for key in asset.keys_by_input_name.values()}
    landed -= {asset.key for asset in hollows}
    outside = [dg.AssetSpec(key, partitions_def=hollows[0].partitions_def) for key in landed]
    job = dg.define_asset_job("hollow", dg.AssetSelection.assets(*hollows))
    nowhere = {"io_manager": Nowhere()}
    definitions = dg.Definitions([*hollows, *outside], jobs=[job], resources=nowhere)
    resolved = definitions.resolve_job_def("hollow")
    return Runs(lambda _: resolved, updater.instance)


def published_again(updater: Updater, runs: Runs) -> tuple[float, float]:
    """Seconds of CPU, and on the clock, that a run of both assets takes."""
    found = updater.stale(updater.listings(), None, lambda asset, _: asset.name in ASSETS)
    work = batches([item for item in found if item.asset.name in ASSETS])
    cpu, clock = time.process_time(), time.monotonic()
    for outcome in runs.outcomes(work):
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
        contenders = {it: (each, each.runs) for it, each in both.items()}
        kept_open = both["kept open"]
        contenders["kept open, nothing done"] = kept_open, floor(kept_open)
        turns = range(rounds + 1)
        taken = [{it: published_again(*each) for it, each in contenders.items()} for _ in turns]
        rows = [
            [it, *(f"{median(turn[it][place] for turn in taken[1:]):.2f}" for place in (0, 1))]
            for it in contenders
        ]
        print(markdown(["Dagster's events", "CPU s a run", "s on the clock"], rows))


if __name__ == "__main__":
    main()
