"""`serve` as an operator types it."""

import hashlib
import json

from click.testing import CliRunner

from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets_tests.conftest import MakeSettings


def test_a_new_token_is_printed_beside_the_setting_that_allows_it() -> None:
    said = CliRunner().invoke(cli, ["serve", "--new-token", "team"]).output.splitlines()
    token = said[0].rpartition(" ")[2]
    setting, _, value = said[1].partition("=")
    assert setting == "PIPELINE_API_TOKENS"
    assert json.loads(value) == {"team": {"sha256": hashlib.sha256(token.encode()).hexdigest()}}


def test_without_tokens_it_listens_on_this_machine_only(make_settings: MakeSettings) -> None:
    done = CliRunner().invoke(cli, ["serve", "--host", "0.0.0.0"], obj=Session(make_settings()))
    assert str(done.exception) == (
        "0.0.0.0 can be reached from outside this machine: set PIPELINE_API_TOKENS first"
    )
