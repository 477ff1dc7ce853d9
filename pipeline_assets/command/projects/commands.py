"""`init` and `new`: a folder for a project of one's own, and a domain from a sample file.

What they need is imported when they run, so that other commands start without it.
"""

import re
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pipeline_assets.errors import PipelineError

if TYPE_CHECKING:
    from pipeline_assets.command.session import Session

PACKAGE: Final = "lake_domains"
"""Where `init` puts the project's domains."""
_EXAMPLE: Final = "visits"
_DOMAIN: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """Make a project: settings, workspace, a domain of your own, its test, a CI file."""
    from pipeline_assets.command.projects.domain_files import (
        domain_files,
        rendered,
    )
    from pipeline_assets.command.projects.inference import infer

    name = re.sub(r"[^a-z0-9-]+", "-", folder.resolve().name.lower()).strip("-") or "lake"
    sample = folder / "landing" / _EXAMPLE / "2026-02-01" / f"{_EXAMPLE}.csv"
    write_new(folder, {str(sample.relative_to(folder)): rendered("visits.csv")})
    templates = {
        ".env": "dotenv",
        ".gitignore": "gitignore",
        ".github/workflows/ci.yml": "ci.yml",
        "README.md": "README.md",
        "pipeline.yaml": "pipeline.yaml",
        "pyproject.toml": "pyproject.toml",
        "tests/test_definitions.py": "test_definitions.py",
        "workspace.yaml": "workspace.yaml",
    }
    files = {path: rendered(it, name=name, package=PACKAGE) for path, it in templates.items()}
    files[f"{PACKAGE}/__init__.py"] = '"""The domains of this project, a folder each."""\n'
    write_new(folder, files | domain_files(_EXAMPLE, PACKAGE, infer(sample)))
    click.echo(f"A project is in {folder}. Go on with")
    click.echo(f"  cd {folder} && pipeline-assets update")
    click.echo(
        "  pipeline-assets new DOMAIN --from FILE    your own .csv, .tsv, .parquet or .jsonl"
    )


@click.command()
@click.argument("domain")
@click.option(
    "--from",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="A sample: .csv, .tsv, .parquet or .jsonl, also gzipped text.",
)
@click.pass_obj
def new(session: "Session", domain: str, file: Path) -> None:
    """Add a domain that reads files like a sample, and deliver the sample to the landing zone."""
    from pipeline_assets.command.projects.domain_files import domain_files
    from pipeline_assets.command.projects.inference import infer

    package = _package(session)
    _require_free(session, domain)
    inferred = infer(file)
    write_new(Path(), domain_files(domain, package, inferred))
    kinds = ", ".join(f"{name} {kind}" for name, kind in inferred.kinds.items())
    click.echo(f"{file} has {len(inferred.kinds)} columns: {kinds}")
    click.echo(f"The domain is in {package}/{domain}, its test in tests/test_{domain}.py.")
    click.echo(_delivered(session.settings.landing_uri, domain, file))
    click.echo(f"Go on with: pipeline-assets update --select 'group:{domain}'")


def write_new(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, none of which may exist.

    Raises:
        PipelineError: One exists; nothing is written then.
    """
    for path in (folder / path for path in files):
        if path.exists():
            raise PipelineError(f"{path} exists already, and nothing is written over it")
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _package(session: "Session") -> str:
    """The package of the project's domains: the first that settings name and that is here."""
    for name in session.settings.domains:
        if Path(name).is_dir():
            return name
    raise PipelineError(
        "There is no project in this folder: make one by `pipeline-assets init DIR`, or name a "
        'package of domains in .env, such as PIPELINE_DOMAINS=["lake_domains"]'
    )


def _require_free(session: "Session", domain: str) -> None:
    if not _DOMAIN.fullmatch(domain) or domain in sys.stdlib_module_names:
        raise PipelineError(
            f"{domain} cannot name a domain: small letters, digits and _ can, a letter first"
        )
    if domain in {asset.table.namespace for asset in session.assets}:
        raise PipelineError(f"There is a domain {domain} already; choose another name")


def _delivered(landing: str, domain: str, file: Path) -> str:
    """Copy the sample into the landing zone, and say so; a bucket is left to its owner."""
    day = datetime.now(UTC).date().isoformat()
    target = f"{landing}/{domain}/{day}/{file.name}"
    if landing.startswith("s3://"):
        return f"Upload the file to {target} to have it read."
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    # Hidden until it is whole: whoever lists the landing zone leaves hidden files alone.
    partial = Path(target).with_name(f".{file.name}")
    shutil.copyfile(file, partial)
    partial.replace(target)
    return f"A copy of the file was delivered to {target}."
