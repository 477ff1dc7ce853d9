"""What Amazon Comprehend says of texts: a kind of job whose kernel is a service.

Each distinct text is asked for once, 25 in a request. Comprehend charges by units of 100
characters, so a job that would cost more than its budget asks nothing. Its class *mixed* is one of
the job's classes like the others; the job says which.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import duckdb

from pipeline_assets.dataset.values.progress import Log
from pipeline_assets.engines.embedded.prepared import Prepared
from pipeline_assets.engines.standard_sql import identifier
from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.aws_requests import requested
from spark_resources.job import Job
from spark_resources.runners.aws import one_try
from spark_resources.runners.polling import PollPolicy

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS_A_REQUEST: Final = 25
MOST_BYTES: Final = 5_000
"""Of a longer text only the beginning is sent."""
UNIT_CHARACTERS: Final = 100
LEAST_UNITS: Final = 3
USD_A_UNIT: Final = 0.0001
"""The list price of the first ten million units a month; beyond them a unit costs less."""
NEUTRAL: Final = "NEUTRAL"
ANSWERS: Final = "comprehend_answers"
PASSING: Final = frozenset({"INTERNAL_SERVER_ERROR", "InternalServerException"})
"""Codes of single texts that may be asked for again."""
ROUNDS: Final = 5
PATIENCE: Final = PollPolicy(first_seconds=1, longest_seconds=20, outage_seconds=600)


class Answer(NamedTuple):
    """Comprehend's class of a text, and how sure it is."""

    sentiment: str
    confidence: float


@dataclass(frozen=True)
class Comprehend:
    """Prepares jobs of the kind ``comprehend``.

    The job's parameters are ``document``, the name of the column of texts; ``language``; and
    ``classes``, the number of each of Comprehend's classes. To the columns of its query come
    ``sentiment``, ``positive_review`` and ``confidence``.

    Attributes:
        budget_usd: What one job may cost.
        region: Where to ask; by default boto3's.
        patience: How long to wait while Comprehend is overloaded.
    """

    budget_usd: float
    region: str | None = None
    patience: PollPolicy = field(default=PATIENCE)

    def __call__(self, connection: duckdb.DuckDBPyConnection, job: Job, log: Log) -> Prepared:
        """Ask for every distinct text; see :data:`~pipeline_assets.engines.embedded.prepared`.

        Raises:
            PipelineError: The budget does not suffice, or Comprehend refuses.
        """
        document = identifier(job.parameters["document"])
        asked = f"SELECT DISTINCT {document} FROM ({job.sql}) ORDER BY 1"
        texts = [text for (text,) in connection.execute(asked).fetchall()]
        spoken = [text for text in texts if text.strip()]
        facts = self._cost(spoken, job.parameters["language"])
        log(f"asking Comprehend about {len(spoken):,} texts")
        answers = self._answers(spoken, job.parameters["language"], log)
        # Comprehend refuses a text without words; it says nothing, and that is sure.
        silent = {text: Answer(NEUTRAL, 1.0) for text in texts if not text.strip()}
        connection.register(ANSWERS, _table({**answers, **silent}, job.parameters["classes"]))
        return Prepared(_joined(job, document), facts)

    def _cost(self, texts: Sequence[str], language: str) -> dict[str, Any]:
        units = sum(map(units_of, texts))
        usd = units * USD_A_UNIT
        if usd > self.budget_usd:
            raise PipelineError(
                f"Comprehend would charge about ${usd:,.2f} for {len(texts):,} texts, and the "
                f"budget of a run is ${self.budget_usd:,.2f}; allow more with "
                "PIPELINE_COMPREHEND_BUDGET_USD, or materialise fewer partitions a run"
            )
        return {
            "comprehend_texts": len(texts),
            "comprehend_units": units,
            "estimated_cost_usd": round(usd, 4),
            "language": language,
        }

    def _answers(self, texts: Sequence[str], language: str, log: Log) -> dict[str, Answer]:
        client = self._client()
        answers: dict[str, Answer] = {}
        for pause in (*self._pauses(), None):
            remaining = [text for text in texts if text not in answers]
            refused: list[str] = []
            for start in range(0, len(remaining), TEXTS_A_REQUEST):
                some = remaining[start : start + TEXTS_A_REQUEST]
                answer = self._ask(client, some, language, log)
                answers |= {some[it["Index"]]: _answer(it) for it in answer["ResultList"]}
                refused += map(_code, answer["ErrorList"])
            if not refused:
                return answers
            if pause is None or not PASSING.issuperset(refused):
                raise PipelineError(
                    f"Comprehend refused {len(refused):,} of {len(texts):,} texts: "
                    f"{', '.join(sorted(set(refused)))}"
                )
            time.sleep(pause)
        raise AssertionError("the last round returns or raises")

    def _ask(
        self,
        client: Any,  # noqa: ANN401 - boto3 makes it at run time
        texts: Sequence[str],
        language: str,
        log: Log,
    ) -> Mapping[str, Any]:
        sent = [beginning(text) for text in texts]
        asked = partial(client.batch_detect_sentiment, TextList=sent, LanguageCode=language)
        answer: Mapping[str, Any] = requested("Comprehend", asked, self.patience, log)
        return answer

    def _pauses(self) -> Iterator[float]:
        for pause, _ in zip(self.patience.pauses(), range(ROUNDS), strict=False):
            yield pause

    def _client(self) -> Any:  # noqa: ANN401 - boto3 makes it at run time
        import boto3

        session = boto3.Session()
        region = self.region or session.region_name
        if region is None:
            raise PipelineError("Comprehend needs a region; set PIPELINE_S3_REGION or AWS_REGION")
        return session.client("comprehend", region_name=region, config=one_try())


def units_of(text: str) -> int:
    """How many units Comprehend charges for a text."""
    return max(LEAST_UNITS, -(-len(beginning(text)) // UNIT_CHARACTERS))


def beginning(text: str) -> str:
    """As much of a text as Comprehend reads, whole characters."""
    return text.encode()[:MOST_BYTES].decode(errors="ignore")


def _answer(item: Mapping[str, Any]) -> Answer:
    sentiment = item["Sentiment"]
    return Answer(sentiment, round(item["SentimentScore"][sentiment.capitalize()], 4))


def _code(item: Mapping[str, Any]) -> str:
    return str(item["ErrorCode"])


def _table(answers: Mapping[str, Answer], classes: Mapping[str, int]) -> "pa.Table":
    import pyarrow as pa

    said = list(answers.values())
    return pa.table(
        {
            "text": pa.array(list(answers), pa.string()),
            "sentiment": pa.array([classes[it.sentiment] for it in said], pa.int32()),
            "positive_review": pa.array([it.sentiment == "POSITIVE" for it in said], pa.bool_()),
            "confidence": pa.array([it.confidence for it in said], pa.float64()),
        }
    )


def _joined(job: Job, document: str) -> str:
    """The rows of the job's query, each with the answer to its text."""
    said = ("sentiment", "positive_review", "confidence")
    columns = ", ".join(
        f"{'said' if name in said else 'asked'}.{identifier(name)}" for name in job.schema
    )
    return (
        f"SELECT {columns} FROM ({job.sql}) AS asked "
        f"JOIN {ANSWERS} AS said ON said.text = asked.{document}"
    )
