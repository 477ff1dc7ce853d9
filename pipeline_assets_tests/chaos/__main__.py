"""Many seeds, and a table of what happened: ``make chaos``."""

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product, takewhile
from pathlib import Path
from random import Random

import click
import dagster as dg
from moto.server import ThreadedMotoServer

from benchmarks.harness import markdown
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.chaos.trial import Findings
from pipeline_assets_tests.chaos.trials import Trials, expected_in
from pipeline_assets_tests.chaos.updates import CREDENTIALS
from pipeline_assets_tests.orchestration.sensors.simulation import simulated


def main() -> None:
    """Run trials in a folder and on S3 in turns, then the sensors' simulation; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="The first seed.")
    parser.add_argument("--minutes", type=float, default=60, help="Start no more seeds after that.")
    parser.add_argument("--simulations", type=int, default=50, help="Of the landing sensors.")
    parser.add_argument("--rounds", type=int, default=4, help="Updates that are disturbed a seed.")
    parser.add_argument("--variants", type=int, default=3, help="Versions of each landing object.")
    parser.add_argument("--tables", type=int, default=5, choices=range(3, 6))
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    os.environ.update(CREDENTIALS)
    findings = Findings()
    with tempfile.TemporaryDirectory() as name:
        for found in (*sensed(arguments), *trials(Path(name), arguments)):
            findings.add(found)
    click.echo(table(findings))
    sys.exit(bool(findings.violations))


def trials(folder: Path, arguments: argparse.Namespace) -> Iterator[Findings]:
    """The findings of each trial, as they come."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        s3 = S3Access(f"http://{host}:{port}", "us-east-1")
        expected = expected_in(folder, arguments.variants, arguments.tables)
        kinds = {
            "folder": Trials(folder, expected, arguments.rounds),
            "S3": Trials(folder, expected, arguments.rounds, s3),
        }
        end = time.monotonic() + 60 * arguments.minutes
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        for seed in takewhile(lambda _: time.monotonic() < end, seeds):
            for kind, trials_ in kinds.items():
                found = trials_.run(seed)
                click.echo(f"seed {seed}, {kind}: {told(found)}", err=True)
                yield found
    finally:
        server.stop()


def sensed(arguments: argparse.Namespace) -> Iterator[Findings]:
    """What landing sensors miss or request twice, by listing and by events."""
    with dg.DagsterInstance.ephemeral() as instance:
        for seed, by_events in product(range(arguments.simulations), (False, True)):
            world = simulated(Random(seed), instance, by_events=by_events)
            wrong = [f"sensor, seed {seed}: missed {world.missed}, repeated {world.repeats}"]
            is_well = not world.missed and not world.repeats
            yield Findings(faults=world.faults, violations=[] if is_well else wrong)


def told(findings: Findings) -> str:
    """One line."""
    endings = ", ".join(f"{count} {name}" for name, count in sorted(findings.endings.items()))
    return f"updates {endings}; {findings.looks} looks; violations {findings.violations}"


def table(findings: Findings) -> str:
    """Faults by kind, runs and violations."""
    rows = [
        *(sorted(findings.faults.items())),
        ("**trials**", findings.trials),
        *((f"updates that {name}", count) for name, count in sorted(findings.endings.items())),
        ("looks of readers", findings.looks),
        ("**violations**", len(findings.violations)),
    ]
    return markdown(["", "times"], [(name, f"{count:,}") for name, count in rows])


if __name__ == "__main__":
    main()
