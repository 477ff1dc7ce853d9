"""The rentals graph as people run it: the command, a Dagster home, databases that fail."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline_assets.command.boundary import one_line_errors
from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets.dataset.values.dsn import SecretDsn, keyword_dsn
from pipeline_assets.settings import Settings
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.domains.rentals.world import pay, sql

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

DAY = "2026-01-01"
RENTALS = ("--select", 'key:"rentals/*" or key:"warehouse/user_behavior_metric"')
PASSWORD = "correct-horse-battery"
WRONG = "wrong-horse-battery"
METRIC = "select amount_spent from rentals.user_behavior_metric"


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    errors: list[str]


Command = Callable[..., Said]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs ``pipeline-assets`` in this process, in an 80 columns wide terminal."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(settings: Settings, *words: str) -> Said:
        capfd.readouterr()
        code = 0
        try:
            with one_line_errors():
                cli.main(words, obj=Session(settings), standalone_mode=False)
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        return Said(code, out, [line for line in err.splitlines() if line.startswith("error: ")])

    return run


@pytest.fixture
def teller(shop: SecretDsn, require_password: Callable[[SecretDsn, str], None]) -> SecretDsn:
    """A user with a password who may read the shop and load into it."""
    if not sql(shop, "SELECT 1 AS one FROM pg_roles WHERE rolname = 'teller'"):
        sql(shop, f"CREATE ROLE teller LOGIN PASSWORD '{PASSWORD}'")
        require_password(shop, "teller")
    sql(
        shop,
        f"GRANT CREATE ON DATABASE {shop.options['dbname']} TO teller;"
        "GRANT USAGE ON SCHEMA public TO teller;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO teller",
    )
    return SecretDsn(keyword_dsn({**shop.options, "user": "teller", "password": PASSWORD}))


def changed(dsn: SecretDsn, **options: str) -> str:
    return keyword_dsn({**dsn.options, **options})


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_no_fault_of_a_database_loses_a_day_or_shows_the_password(
    teller: SecretDsn,
    shop: SecretDsn,
    make_settings: MakeSettings,
    command: Command,
    tmp_path: Path,
    closed_port: int,
) -> None:
    (tmp_path / "landing").mkdir()
    pay(shop, 1, 1, 1, "1.00", f"{DAY} 01:00")
    good = make_settings(oltp_dsn=teller.reveal(), warehouse_dsn=teller.reveal())
    said = [command(good, "update", *RENTALS)]
    assert (said[0].code, said[0].errors) == (0, [])
    pay(shop, 2, 1, 1, "2.00", f"{DAY} 02:00")
    faults = {
        "the server refused user or password": changed(teller, password=WRONG),
        "no server answers": changed(teller, host="127.0.0.1", port=str(closed_port)),
    }
    for reason, dsn in faults.items():
        bad = make_settings(oltp_dsn=dsn, warehouse_dsn=dsn)
        said += [command(bad, "update", *RENTALS), command(bad, "doctor")]
        assert [one.code for one in said[-2:]] == [1, 1]
        assert said[-2].errors
        assert all(reason in line for line in said[-2].errors)
        assert f"FAIL PIPELINE_OLTP_DSN: {SecretDsn(dsn).where}: {reason}" in said[-1].out
        assert "1.00000" in command(good, "query", METRIC).out
        assert [row["amount_spent"] for row in sql(shop, METRIC)] == ["1.00000"]
    said += [command(good, "update", *RENTALS), command(good, "doctor")]
    assert "3.00000" in command(good, "query", METRIC).out
    shown = "".join([text for one in said for text in (one.out, *one.errors)]).encode()
    everything = shown + written(tmp_path)
    assert b"user_purchases" in everything
    for secret in (PASSWORD, WRONG):
        assert secret.encode() not in everything


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("ALTER TABLE film DROP COLUMN title", "a column is missing (column f.title"),
        ("DROP TABLE payment", 'a table is missing (relation "payment"'),
    ],
)
def test_what_the_shop_lacks_is_named_in_one_line_and_the_day_stays(
    shop: SecretDsn,
    make_settings: MakeSettings,
    command: Command,
    tmp_path: Path,
    damage: str,
    told: str,
) -> None:
    (tmp_path / "landing").mkdir()
    pay(shop, 1, 1, 1, "1.00", f"{DAY} 01:00")
    settings = make_settings(oltp_dsn=shop.reveal())
    purchases = ("--select", 'key:"rentals/user_purchases"')
    assert command(settings, "update", *purchases).code == 0
    pay(shop, 2, 1, 1, "2.00", f"{DAY} 02:00")
    sql(shop, damage)
    said = command(settings, "update", *purchases)
    assert (said.code, len(said.errors)) == (1, 1)
    assert told in said.errors[0]
    assert "rentals/user_purchases" in said.errors[0]
    held = command(settings, "query", "select amount from rentals.user_purchases", "--format=csv")
    assert held.out == "amount\n1.00000\n"


def test_again_makes_what_is_chosen_and_nothing_else(
    shop: SecretDsn, make_settings: MakeSettings, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "landing").mkdir()
    pay(shop, 1, 1, 1, "1.00", f"{DAY} 01:00")
    settings = make_settings(oltp_dsn=shop.reveal())
    assert command(settings, "update", *RENTALS).code == 0
    sql(shop, "UPDATE film SET title = 'Quiet River, restored' WHERE film_id = 1")
    assert "nothing was run" in command(settings, "update", *RENTALS).out
    chosen = ("--select", 'key:"rentals/user_purchases"', "--partition", DAY, "--again")
    assert command(settings, "update", *chosen).code == 0
    titles = command(settings, "query", "select title from rentals.user_purchases")
    assert "restored" in titles.out
    publishes = command(settings, "history", "rentals.viewing_similarity").out.splitlines()
    assert len(publishes) == 1
    refused = command(settings, "update", "--again")
    assert refused.errors == [
        "error: --again alone would materialise all: add --select or --partition"
    ]
