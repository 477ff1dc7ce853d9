"""Many seeds, and a table of what happened: ``make chaos``."""

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
from moto.server import ThreadedMotoServer

from benchmarks.harness import markdown
from pipeline_assets.s3 import S3Access
from pipeline_assets_tests.chaos.trial import Findings
from pipeline_assets_tests.chaos.trials import Trials, expected_in
from pipeline_assets_tests.chaos.updates import CREDENTIALS


def main() -> None:
    """Run trials in a folder and on S3 in turns, then the sensors' simulation; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="The first seed.")
    parser.add_argument("--rounds", type=int, default=4, help="Updates that are disturbed a seed.")
    parser.add_argument("--variants", type=int, default=3, help="Versions of each landing object.")
    parser.add_argument("--tables", type=int, default=5, choices=range(3, 6))
    arguments = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    os.environ.update(CREDENTIALS)
    findings = Findings()
    with tempfile.TemporaryDirectory() as name:
        for found in trials(Path(name), arguments):
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
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            for kind, trials_ in kinds.items():
                found = trials_.run(seed)
                click.echo(f"seed {seed}, {kind}: {told(found)}", err=True)
                yield found
    finally:
        server.stop()


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
