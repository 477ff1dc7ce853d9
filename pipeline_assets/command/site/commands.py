"""A reference of the commands, from their own help."""

from collections.abc import Iterator

import click

from pipeline_assets.command.cli import cli
from pipeline_assets.command.docs import table_lines


def page() -> str:
    """The page."""
    return "\n".join(
        [
            "# Commands",
            "",
            "What `pipeline-assets` can do. Each command says the same with `--help`.",
            "",
            *(line for name, each in cli.commands.items() for line in _command(each, name)),
        ]
    )


def _command(command: click.Command, name: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for own, each in command.commands.items():
            yield from _command(each, f"{name} {own}")
        return
    arguments = " ".join(
        each.make_metavar(click.Context(command))
        for each in command.params
        if isinstance(each, click.Argument)
    )
    yield from (f"## {name}", "", f"`pipeline-assets {name} {arguments}`".replace(" `", "`"), "")
    yield from (_paragraphs(command.help or ""), "")
    options = [
        [" ".join(f"`{word}`" for word in each.opts), each.help or ""]
        for each in command.params
        if isinstance(each, click.Option)
    ]
    if options:
        yield from (*table_lines(["option", "meaning"], options), "")


def _paragraphs(text: str) -> str:
    r"""Click marks with ``\b`` what it may not wrap."""
    return text.replace("\b\n", "").strip()
