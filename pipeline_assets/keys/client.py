"""A table of DynamoDB, asked patiently: what it throttles or leaves undone is asked again."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from typing import Any, Final, TypeVar

from pipeline_assets.errors import PipelineError
from pipeline_assets.keys.items import Item
from spark_resources.runners.polling import THROTTLED, PollPolicy

Answer = TypeVar("Answer")
BATCH: Final = 25
"""How many items DynamoDB takes in one request."""
PATIENCE: Final = PollPolicy(
    first_seconds=0.04, longest_seconds=4, growth=2, jitter=0.25, outage_seconds=120
)
_THROTTLED: Final = THROTTLED | {
    "ProvisionedThroughputExceededException",
    "TransactionConflictException",
}


class UnavailableError(PipelineError):
    """DynamoDB refuses, cannot be reached, or stays throttled."""


class ConflictError(PipelineError):
    """A condition of a write did not hold."""


@dataclass(frozen=True)
class KeyTable:
    """A table of DynamoDB.

    Attributes:
        name: Its name.
        connect: Makes a client; it is called once, with the first request.
        patience: For how long a request that is throttled is sent again, and after which pauses.
    """

    name: str
    connect: Callable[[], Any] = field(repr=False, compare=False)
    patience: PollPolicy = PATIENCE

    @cached_property
    def client(self) -> Any:  # noqa: ANN401 - boto3 makes clients at run time
        """The client, which threads may share."""
        return self.connect()

    def get(self, key: Item) -> Item | None:
        """An item as it is now.

        Raises:
            UnavailableError: DynamoDB refuses or stays throttled.
        """
        asked = {"TableName": self.name, "Key": key, "ConsistentRead": True}
        found: Item | None = self._ask(lambda: self.client.get_item(**asked)).get("Item")
        return found

    def query(self, pk: str, begin: str = "") -> Iterator[Item]:
        """All items of a partition key, by their sort key.

        Args:
            pk: The partition key.
            begin: What their sort keys begin with.

        Raises:
            UnavailableError: DynamoDB refuses or stays throttled.
        """
        condition, values = "pk = :pk", {":pk": {"S": pk}}
        if begin:
            condition, values = (
                f"{condition} AND begins_with(sk, :sk)",
                values | {":sk": {"S": begin}},
            )
        asked = {
            "TableName": self.name,
            "ConsistentRead": True,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
        }
        yield from self._pages(self.client.query, asked)

    def scan(self, pk_begin: str) -> Iterator[Item]:
        """Every item whose partition key begins with a text; reads the whole table.

        Raises:
            UnavailableError: DynamoDB refuses or stays throttled.
        """
        asked = {
            "TableName": self.name,
            "ConsistentRead": True,
            "FilterExpression": "begins_with(pk, :pk)",
            "ExpressionAttributeValues": {":pk": {"S": pk_begin}},
        }
        yield from self._pages(self.client.scan, asked)

    def write(self, items: Iterable[Item]) -> None:
        """Write items in batches; what DynamoDB leaves undone is sent again until it is done.

        Raises:
            UnavailableError: DynamoDB refuses or stays throttled.
        """
        rest = iter(items)
        while batch := list(islice(rest, BATCH)):
            self._write([{"PutRequest": {"Item": item}} for item in batch])

    def put_if(self, item: Item, condition: str, values: Item) -> None:
        """Write an item if a condition holds of the one in its place.

        Raises:
            ConflictError: It does not hold.
            UnavailableError: DynamoDB refuses or stays throttled.
        """
        asked = {"TableName": self.name, "Item": item, "ConditionExpression": condition}
        with_values = {"ExpressionAttributeValues": values} if values else {}
        self._ask(lambda: self.client.put_item(**asked, **with_values))

    def expire(self, key: Item, at: int) -> None:
        """Have DynamoDB delete an item, if it is there, some time after a moment.

        Raises:
            UnavailableError: DynamoDB refuses or stays throttled.
        """
        asked = {
            "TableName": self.name,
            "Key": key,
            "UpdateExpression": "SET expires = :at",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeValues": {":at": {"N": str(at)}},
        }
        try:
            self._ask(lambda: self.client.update_item(**asked))
        except ConflictError:
            return  # it was never written, or is deleted already

    def _pages(self, action: Callable[..., Any], asked: dict[str, Any]) -> Iterator[Item]:
        start: dict[str, Any] = {}
        while True:
            page = self._ask(partial(action, **asked, **start))
            yield from page["Items"]
            if not (last := page.get("LastEvaluatedKey")):
                return
            start = {"ExclusiveStartKey": last}

    def _write(self, requests: Sequence[Any]) -> None:
        waits = _waits(self.patience)
        while requests:
            asked = {self.name: list(requests)}
            answer = self._ask(partial(self.client.batch_write_item, RequestItems=asked))
            undone = answer.get("UnprocessedItems", {}).get(self.name, [])
            if undone and len(undone) < len(requests):
                waits = _waits(self.patience)  # it goes on, if slowly
            requests = undone
            if requests and not next(waits, None):
                raise UnavailableError(
                    f"DynamoDB leaves {len(requests)} items of {self.name} undone"
                )

    def _ask(self, request: Callable[[], Any]) -> Any:  # noqa: ANN401 - as boto3 types it
        """The answer to a request, which is sent again while it is throttled."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - takes a while

        waits = _waits(self.patience)
        while True:
            try:
                return request()
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                if code == "ConditionalCheckFailedException":
                    raise ConflictError(f"{self.name}: somebody else was first") from error
                if code not in _THROTTLED or not next(waits, None):
                    raise UnavailableError(_refusal(self.name, code, error)) from error
            except BotoCoreError as error:
                raise UnavailableError(f"DynamoDB's table {self.name}: {error}") from error


def _refusal(name: str, code: str, error: Exception) -> str:
    if code == "ResourceNotFoundException":
        return f"DynamoDB has no table {name}; docs/keys.md says how it is created"
    return f"DynamoDB's table {name}: {' '.join(str(error).split())}"


def _waits(patience: PollPolicy) -> Iterator[float]:
    """Wait before each of the next requests, until patience is at its end; yields the seconds."""
    waited = 0.0
    for pause in patience.pauses():
        if waited >= patience.outage_seconds:
            return
        time.sleep(pause)
        waited += pause
        yield pause
