"""What mkdocs calls while it builds the site; ``mkdocs.yml`` names this file."""

import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from pipeline_assets.command.site import commands, datasets
from pipeline_assets.command.site.graph import drawing, read_mermaid
from pipeline_assets.command.site.plots import with_plots

ROOT: Final = Path(__file__).parents[3]
OUTSIDE: Final = {
    "deploy.md": "deploy/README.md",
    "benchmarks.md": "benchmarks/README.md",
    "benchmarks_taobao.md": "benchmarks/taobao/README.md",
    "benchmarks_sentiment.md": "benchmarks/rentals/README.md",
    "benchmarks_streams.md": "benchmarks/activity/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
}
"""Pages of the site that lie outside ``docs/``."""
_CATALOGUE: Final = "catalogue.md"
_LINK: Final = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
_MERMAID: Final = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCED: Final = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give every page of ``docs/`` that the navigation does not name a place under *How to*."""
    named = str(config.nav)
    unnamed = [path.name for path in sorted((ROOT / "docs").glob("*.md"))]
    (how_to,) = (each["How to"] for each in config.nav or [] if "How to" in each)
    how_to += [name for name in unnamed if f"'{name}'" not in named and name != _CATALOGUE]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are generated and those that lie outside ``docs/``."""
    generated = {**datasets.pages(), "commands.md": commands.page()}
    for name, source in OUTSIDE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        generated[name] = with_plots(text) if name.startswith("benchmarks") else text
    for name, text in generated.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: object) -> str:
    """Draw diagrams, and let links lead to pages of the site."""
    drawn = _MERMAID.sub(lambda found: drawing(read_mermaid(found.group(1))), markdown)
    prose = _FENCED.split(drawn)
    known = {file.src_uri for file in files}
    source = OUTSIDE.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def led(found: re.Match[str]) -> str:
        text, target = found.groups()
        there = led_to(target, source, known)
        return f"[{text}]({there})" if there else text

    return "".join(part if part.startswith("```") else _LINK.sub(led, part) for part in prose)


def led_to(target: str, source: str, known: set[str]) -> str | None:
    """Where a link of a page leads within the site; None if it is a file that the site has not."""
    path, mark, anchor = target.partition("#")
    if "://" in target or not path:
        return target
    absolute = (ROOT / source).parent / path
    whole = absolute.resolve().relative_to(ROOT).as_posix()
    inside = {own: page for page, own in OUTSIDE.items()} | {"README.md": "index.md"}
    page = inside.get(whole, whole.removeprefix("docs/"))
    if page == _CATALOGUE:
        return "datasets/index.md"
    if page not in known:
        return None
    depth = source.removeprefix("docs/").count("/") if source.startswith("docs/") else 0
    return "../" * depth + page + mark + anchor
