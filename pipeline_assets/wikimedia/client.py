"""A client of Wikimedia's APIs that asks for nothing twice and stops when it is told to."""

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pipeline_assets.errors import PipelineError
from pipeline_assets.wikimedia.access import Wikimedia
from pipeline_assets.wikimedia.answers import Answer, KeptAnswers, Question
from pipeline_assets.wikimedia.manners import CONCURRENT, Manners, Wait, seconds_of

if TYPE_CHECKING:
    import urllib3

TRIES: Final = 5
BACKOFF: Final = 1.0
"""The first pause after a fault, in seconds; each further one is twice as long."""
SECONDS: Final = 30.0
"""How long a request may take."""
_AHEAD: Final = 4 * CONCURRENT
"""How many answers may be waiting for whoever consumes them."""
_ANSWERS: Final = frozenset({200, 404})
_REFUSALS: Final = frozenset({401, 403})
_NOT_NOW: Final = frozenset({429, 500, 502, 503, 504})


class Client:
    """Asks questions; see :mod:`pipeline_assets.wikimedia.manners` for how."""

    def __init__(
        self, access: Wikimedia, wait: Wait = time.sleep, backoff: float = BACKOFF
    ) -> None:
        import urllib3

        self.access = access.require()
        self._backoff = backoff
        self._manners = Manners(access.requests_per_run, wait)
        self._kept = KeptAnswers(access.store, access.answers)
        self._headers = {"User-Agent": access.user_agent, "Accept": "application/json"}
        self._pool = urllib3.PoolManager(
            num_pools=4,
            maxsize=CONCURRENT,
            block=True,
            retries=False,
            timeout=SECONDS,
        )

    def ask(self, questions: Iterable[Question]) -> Iterator[Answer]:
        """The answers, in the order of the questions.

        An answer is kept before anybody sees it. The first error ends it; requests that are on
        their way are awaited, and their answers kept.

        Raises:
            PipelineError: The server refuses, does not answer, or the budget is spent.
        """
        coming = iter(questions)
        with ThreadPoolExecutor(CONCURRENT, "wikimedia") as threads:
            waiting: deque[Future[Answer]] = deque()
            try:
                while True:
                    more = islice(coming, _AHEAD - len(waiting))
                    waiting.extend(threads.submit(self.answer, each) for each in more)
                    if not waiting:
                        return
                    yield waiting.popleft().result()
            finally:
                for each in waiting:
                    each.cancel()

    def answer(self, question: Question) -> Answer:
        """The answer to one question, kept or new.

        Raises:
            PipelineError: As :meth:`ask`.
        """
        kept = self._kept.find(question)
        if kept and question.is_current(kept):
            return kept
        answer = replace(self._asked(question, kept), edition=question.edition)
        self._kept.keep(question, answer)
        return answer

    def _asked(self, question: Question, kept: Answer | None) -> Answer:
        import urllib3

        said = "it does not answer"
        for attempt in range(TRIES):
            try:
                with self._manners.turn():
                    headers = self._headers | _conditions(kept)
                    response = self._pool.request("GET", question.url, headers=headers)
            except urllib3.exceptions.HTTPError as error:
                said = f"it does not answer: {type(error).__name__}"
                self._manners.pause(self._backoff * 2**attempt)
                continue
            if response.status == 304 and kept:
                return replace(kept, asked=datetime.now(UTC))
            if response.status in _ANSWERS:
                return _answer(question.url, response)
            said = f"HTTP {response.status}: {_line(response.data)}"
            if response.status in _REFUSALS:
                said += f"; is {self.access.setting} right?"
            if response.status not in _NOT_NOW:
                break
            asked_for = response.headers.get("Retry-After")
            self._manners.pause(seconds_of(asked_for, otherwise=self._backoff * 2**attempt))
        raise PipelineError(f"Wikimedia, {question.url}: {said}")


def _conditions(kept: Answer | None) -> dict[str, str]:
    """Headers that ask for an answer only if it has changed."""
    if kept is None:
        return {}
    conditions = {"If-None-Match": kept.etag, "If-Modified-Since": kept.modified}
    return {name: value for name, value in conditions.items() if value}


def _answer(url: str, response: "urllib3.BaseHTTPResponse") -> Answer:
    headers = response.headers
    return Answer(
        url=url,
        status=response.status,
        body=_json(url, response.data),
        asked=datetime.now(UTC),
        etag=headers.get("ETag"),
        modified=headers.get("Last-Modified"),
    )


def _json(url: str, data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(data)
    except ValueError as error:
        raise PipelineError(f"Wikimedia, {url}: answers with no JSON: {_line(data)}") from error


def _line(data: bytes) -> str:
    return " ".join(data[:300].decode(errors="replace").split())
