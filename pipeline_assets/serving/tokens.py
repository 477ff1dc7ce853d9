"""Who may ask: bearer tokens, of which the settings hold only hashes."""

import hashlib
import hmac
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline_assets.api_token import ApiToken
from pipeline_assets.errors import PipelineError


class UnknownTokenError(PipelineError):
    """A request has no token, or none that the settings know."""


class BusyError(PipelineError):
    """As many requests of a token are being answered as may be."""


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        name: Of the token.
        token: What it allows.
    """

    name: str
    token: ApiToken


@dataclass(frozen=True)
class Callers:
    """All tokens; without any, everybody on this machine may ask.

    Attributes:
        tokens: By name.
        anonymous: What is allowed where there are no tokens.
    """

    tokens: Mapping[str, ApiToken]
    anonymous: ApiToken = field(default_factory=lambda: ApiToken(sha256="0" * 64, concurrency=64))
    _slots: "dict[str, threading.BoundedSemaphore]" = field(default_factory=dict, repr=False)

    def caller(self, authorization: str | None) -> Caller:
        """Who sent a header such as ``Bearer abc``.

        Raises:
            UnknownTokenError: Nobody whom the settings know.
        """
        if not self.tokens:
            return Caller("anonymous", self.anonymous)
        scheme, _, secret = (authorization or "").partition(" ")
        digest = hashlib.sha256(secret.strip().encode()).hexdigest()
        # Every hash is compared, in constant time: an answer's delay tells nothing of them.
        found = [
            Caller(name, token)
            for name, token in self.tokens.items()
            if hmac.compare_digest(token.sha256, digest)
        ]
        if scheme.lower() != "bearer" or not found:
            raise UnknownTokenError("Send a header: Authorization: Bearer TOKEN")
        return found[0]

    @contextmanager
    def slot(self, caller: Caller) -> Iterator[None]:
        """Take one of a caller's slots while a request is answered.

        Raises:
            BusyError: All are taken.
        """
        slots = self._slots.get(caller.name)
        if slots is None:
            new = threading.BoundedSemaphore(caller.token.concurrency)
            slots = self._slots.setdefault(caller.name, new)
        if not slots.acquire(blocking=False):
            raise BusyError(f"{caller.token.concurrency} requests of this token are being answered")
        try:
            yield
        finally:
            slots.release()
