"""A DynamoDB for tests: moto's or dynalite's, and clients that are killed or throttled."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from pipeline_assets.keys.store import KeyStore
from pipeline_assets.storage.s3_access import S3Access

DYNALITE = Path(__file__).parents[2] / ".dynalite/node_modules/dynalite/cli.js"
"""`make test-dynalite` installs it there."""


def key_store(endpoint_url: str) -> KeyStore:
    """A fresh table."""
    store = KeyStore(
        "PIPELINE_KEYS_TABLE", f"keys-{uuid4().hex[:8]}", S3Access(None, "us-east-1"), endpoint_url
    )
    create(store)
    return store


def create(store: KeyStore) -> None:
    """Create a table as docs/keys.md says."""
    client = store.require().client
    client.create_table(
        TableName=store.name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
    )
    client.get_waiter("table_exists").wait(TableName=store.name, WaiterConfig={"Delay": 1})


@contextmanager
def dynalite() -> Iterator[str]:
    """The endpoint of a dynalite that forgets everything when it ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["node", str(DYNALITE), "--port", str(port), "--createTableMs", "0"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on {port}")


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, not even what tidies up."""


@dataclass
class Client:
    """A client that something happens to before a request is sent.

    Attributes:
        client: The real one.
        mishap: Gets the number of the request, the action and its arguments.
    """

    client: Any
    mishap: Callable[[int, str, dict[str, Any]], None]
    count: int = field(default=0)

    def __getattr__(self, action: str) -> Callable[..., Any]:
        def request(**arguments: object) -> Any:  # noqa: ANN401 - as boto3
            self.count += 1
            self.mishap(self.count, action, arguments)
            return getattr(self.client, action)(**arguments)

        return request


@dataclass
class Throttled(Client):
    """A DynamoDB that refuses every other request, and does but a part of every batch."""

    client: Any
    mishap: Callable[[int, str, dict[str, Any]], None] = lambda number, action, _: _throttle(
        number, action
    )

    def batch_write_item(self, RequestItems: dict[str, list[Any]]) -> Any:  # noqa: N803, ANN401 - boto3's
        ((table, requests),) = RequestItems.items()
        done, undone = requests[: len(requests) // 2 + 1], requests[len(requests) // 2 + 1 :]
        answer = self.__getattr__("batch_write_item")(RequestItems={table: done})
        return {**answer, "UnprocessedItems": {table: undone} if undone else {}}


def _throttle(number: int, action: str) -> None:
    if number % 2:
        said = {"Code": "ProvisionedThroughputExceededException", "Message": "slow down"}
        raise ClientError({"Error": said}, action)  # type: ignore[typeddict-item]
