"""`serve` and `catalog serve`: the published tables over HTTP."""

from types import ModuleType
from typing import TYPE_CHECKING, Protocol

import click

from pipeline_assets.errors import PipelineError

if TYPE_CHECKING:
    from pipeline_assets.settings import Settings


class HasSettings(Protocol):
    """What the command needs of the session that all commands share."""

    @property
    def settings(self) -> "Settings":
        """The settings."""
        ...


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--new-token", metavar="NAME", help="Print a new token and its setting, and end.")
@click.pass_obj
def serve(session: HasSettings, host: str, port: int, new_token: str | None) -> None:
    """Answer SQL and lookups over HTTP; /docs of the server describes every route.

    Needs `pip install pipeline-assets[serve]`.
    """
    server = _server()
    if new_token:
        token, setting = server.new_token(new_token)
        click.echo(f"Give this token to whoever shall ask; it is not stored: {token}\n{setting}")
        return
    click.echo(f"http://{host}:{port}/docs")
    server.serve(server.api, session.settings, host, port)


@click.group()
def catalog() -> None:
    """Open the lake to other engines: DuckDB, Spark, Trino, Polars, pyiceberg."""


@catalog.command(name="serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8181, show_default=True)
@click.pass_obj
def serve_catalog(session: HasSettings, host: str, port: int) -> None:
    """Serve the catalog by Iceberg's REST protocol, to read, past snapshots too.

    Needs `pip install pipeline-assets[serve]`; PIPELINE_API_TOKENS holds for it as for `serve`.
    """
    server = _server()
    click.echo(f"Iceberg REST catalog: http://{host}:{port}")
    server.serve(server.catalog, session.settings, host, port)


def _server() -> ModuleType:
    try:
        from pipeline_assets.serving import server
    except ModuleNotFoundError as error:
        message = f"This needs {error.name}: pip install 'pipeline-assets[serve]'"
        raise PipelineError(message) from error
    return server
