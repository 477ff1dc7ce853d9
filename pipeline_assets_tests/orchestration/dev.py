"""`dagster dev` over a lake, asked and told through the GraphQL that its pages use."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from pipeline_assets.settings import PREFIX, Settings

Client: TypeAlias = Callable[[str, Any], Any]
"""Answers a query with variables; None as long as nobody listens."""

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 600
LAUNCH = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""


@contextmanager
def dagster_dev(settings: Settings, port: int, module: str = "backfilled") -> Iterator[Client]:
    """Webserver, daemon and code server; hands out a GraphQL client and is killed afterwards."""
    name = f"pipeline_assets_tests.orchestration.{module}"
    command = [sys.executable, "-m", "dagster", "dev", "-m", name, "-p", str(port)]
    process = subprocess.Popen(
        command,
        cwd=settings.dagster_home,
        env={
            **os.environ,
            **environment(settings),
            "HOME": str(settings.dagster_home),
            "PYTHONPATH": str(ROOT),
            "DAGSTER_HOME": str(settings.dagster_home),
            "PIPELINE_THREADS": "1",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield lambda query, variables: ask(port, query, variables)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def environment(settings: Settings) -> dict[str, str]:
    """What was set of some settings, as environment variables."""
    values = settings.model_dump(mode="json", include=settings.model_fields_set)
    return {
        f"{PREFIX}{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in values.items()
    }


def ask(port: int, query: str, variables: Any) -> Any:  # noqa: ANN401 - JSON
    """Answers None as long as nobody listens."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def wait_for(what: str, is_so: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it waits for
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := is_so():
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what} never came")


def launch(client: Client, domain: str, names: Sequence[str], keys: Sequence[str]) -> str:
    """Start a backfill as soon as the webserver answers; its id."""
    selection = [{"path": [domain, name]} for name in names]
    params = {"assetSelection": selection, "partitionNames": list(keys)}
    answer = wait_for("the webserver", lambda: client(LAUNCH, {"params": params}))
    assert "backfillId" in answer["launchPartitionBackfill"], answer
    return str(answer["launchPartitionBackfill"]["backfillId"])
