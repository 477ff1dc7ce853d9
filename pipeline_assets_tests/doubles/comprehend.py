"""An Amazon Comprehend that reads for certain words, keeps to its limits, and fails on demand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline_assets_tests.doubles.aws_json import RefusedError, served

TONES = {"good": "POSITIVE", "bad": "NEGATIVE"}


@dataclass
class ComprehendDouble:
    """The service.

    Attributes:
        requests: The texts of each request that it has answered.
        throttled: How many of the next requests are refused for now.
        stumbles: For a text, the codes that its next answers are errors with.
    """

    requests: list[list[str]] = field(default_factory=list)
    throttled: int = 0
    stumbles: dict[str, list[str]] = field(default_factory=dict)

    def answer(self, action: str, asked: dict[str, Any]) -> dict[str, Any]:
        assert action == "BatchDetectSentiment"
        if self.throttled:
            self.throttled -= 1
            raise RefusedError("ThrottlingException", "Rate exceeded")
        texts = asked["TextList"]
        if len(texts) > 25:
            raise RefusedError("BatchSizeLimitExceededException", "more than 25")
        if not all(texts):
            raise RefusedError("InvalidRequestException", "an empty text")
        self.requests.append(texts)
        results: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for index, text in enumerate(texts):
            if len(text.encode()) > 5_000:
                errors.append(_error(index, "TEXT_SIZE_LIMIT_EXCEEDED"))
            elif self.stumbles.get(text):
                errors.append(_error(index, self.stumbles[text].pop()))
            else:
                results.append({"Index": index, **_read(text)})
        return {"ResultList": results, "ErrorList": errors}


@contextmanager
def comprehend() -> Iterator[ComprehendDouble]:
    """A Comprehend that boto3 finds in place of Amazon's."""
    double = ComprehendDouble()
    with served(double.answer) as endpoint, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_COMPREHEND", endpoint)
        environment.setenv("AWS_ACCESS_KEY_ID", "key-of-the-tests")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-tests")
        yield double


def _read(text: str) -> dict[str, Any]:
    found = {tone for word, tone in TONES.items() if word in text}
    sentiment = "MIXED" if len(found) == 2 else next(iter(found), "NEUTRAL")
    scores = dict.fromkeys(("Positive", "Negative", "Neutral", "Mixed"), 0.03)
    return {
        "Sentiment": sentiment,
        "SentimentScore": {**scores, sentiment.capitalize(): 0.91234567},
    }


def _error(index: int, code: str) -> dict[str, Any]:
    return {"Index": index, "ErrorCode": code, "ErrorMessage": code}
