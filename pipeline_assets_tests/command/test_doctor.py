import socket
from pathlib import Path

from pipeline_assets.command.doctor import examine, ui_port
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets_tests.conftest import MakeSettings


def test_a_free_port_is_told(closed_port: int) -> None:
    assert ui_port(closed_port).ok


def test_a_port_that_somebody_listens_on_is_told_with_the_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        finding = ui_port(port)
    assert not finding.ok
    assert finding.details == (
        f"{port}: address already in use; choose another, as in make dev PORT=3001"
    )


def test_examining_an_empty_folder_leaves_the_folder(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    lake = tmp_path / "mine" / "lake"
    lake.mkdir(parents=True)
    settings = make_settings(lake_uri=str(lake))
    list(examine(Deployment(settings), settings.dagster_home, []))
    assert lake.exists()
