import socket

from pipeline_assets.command.doctor import ui_port


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
