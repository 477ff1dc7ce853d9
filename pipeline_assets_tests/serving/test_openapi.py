"""Whatever the OpenAPI document allows is answered as it says, and never by a fault."""

from typing import Any

import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

OPERATIONS = {
    ("POST", "/query"),
    ("GET", "/tables"),
    ("GET", "/tables/music.plays"),
    ("GET", "/tables/music.plays/rows"),
    ("GET", "/tables/music.all_plays"),
    ("GET", "/tables/music.all_plays/rows"),
}


def test_random_requests_find_no_fault(client: TestClient) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    results = list(schema.get_all_operations())
    operations = [result.ok() for result in results if isinstance(result, Ok)]
    assert len(operations) == len(results)
    assert {(it.method.upper(), it.path) for it in operations} == OPERATIONS
    for operation in operations:

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy())
        def request(case: schemathesis.Case[Any]) -> None:
            # No schema can say which text is SQL, or which moment has a snapshot.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        request()
