"""Answers that were given, kept as objects: a run that is killed goes on where it stopped."""

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from pipeline_assets.dataset.values.objects import ObjectStore, encode_key


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Attributes:
        url: What was asked.
        status: 200 or 404; anything else is no answer.
        body: The JSON value; None behind a 404 without one.
        asked: When, in UTC. An unchanged answer counts from when the server last confirmed it.
        edition: What the asker knew of the data's edition when it asked.
        etag: The server's name for this answer, if it has one.
        modified: Its ``Last-Modified``, likewise.
    """

    url: str
    status: int
    body: Any
    asked: datetime
    edition: str = ""
    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True)
class Question:
    """A request for an answer that may be known already.

    Attributes:
        url: What to ask.
        folder: Where its answer is kept, beside those that are asked with it.
        is_current: Whether a kept answer still holds. Otherwise the server is asked whether it has
            changed.
        edition: Remembered with the answer.
    """

    url: str
    folder: str
    is_current: Callable[[Answer], bool]
    edition: str = ""


@dataclass(frozen=True)
class KeptAnswers:
    """The answers of earlier requests, an object each.

    Attributes:
        store: Holds them.
        root: They lie below it, in folders.
    """

    store: ObjectStore
    root: str
    _known: dict[str, set[str]] = field(default_factory=dict, init=False)

    def find(self, question: Question) -> Answer | None:
        """The kept answer to a question, current or not.

        Raises:
            PipelineError: The storage cannot be read.
        """
        uri = self._uri(question)
        if uri not in self._in(question.folder):
            return None
        with closing(self.store.open(uri)) as stream:
            fields = json.loads(stream.read())
        return Answer(**{**fields, "asked": datetime.fromisoformat(fields["asked"])})

    def keep(self, question: Question, answer: Answer) -> None:
        """Keep an answer in place of an earlier one.

        Raises:
            PipelineError: The storage cannot be written.
        """
        uri = self._uri(question)
        self.store.put(uri, json.dumps({**asdict(answer), "asked": str(answer.asked)}).encode())
        self._in(question.folder).add(uri)

    def _in(self, folder: str) -> set[str]:
        """What a folder holds; it is listed once, which is cheaper than to ask for each object."""
        if folder not in self._known:
            prefix = f"{self.root}/{encode_key(folder)}"
            self._known[folder] = {item.uri for item in self.store.list(prefix)}
        return self._known[folder]

    def _uri(self, question: Question) -> str:
        name = hashlib.sha256(question.url.encode()).hexdigest()
        return f"{self.root}/{encode_key(question.folder)}/{name}.json"
