"""Sends events in the background: a slow or dead receiver neither delays nor fails a run."""

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeAlias

from pipeline_assets.publish.publication import Publication

Send: TypeAlias = Callable[[Any], object]

LOG: Final = logging.getLogger(__name__)
WAITING_EVENTS: Final = 1_000
LAST_SECONDS: Final = 5.0


class Emitter:
    """Turns publishes into events and sends them, one after the other, in a thread of its own."""

    def __init__(
        self,
        event_of: Callable[[Publication], Any],
        connect: Callable[[], Send],
        last_seconds: float = LAST_SECONDS,
    ) -> None:
        """Send nothing yet.

        Args:
            event_of: The event of a publish.
            connect: Called by the thread, before the first event; returns what sends one.
            last_seconds: How long :meth:`close` waits for events that are on their way.
        """
        self._event_of, self._connect, self._last_seconds = event_of, connect, last_seconds
        self._waiting: queue.Queue[Publication | None] = queue.Queue(WAITING_EVENTS)
        # A process that ends does not wait for a receiver.
        self._thread = threading.Thread(target=self._work, name="openlineage", daemon=True)
        self._lock = threading.Lock()

    def published(self, publication: Publication) -> None:
        """Have an event sent; one that finds a thousand others waiting is left out, and told."""
        with self._lock:
            if self._thread.ident is None:
                self._thread.start()
        try:
            self._waiting.put_nowait(publication)
        except queue.Full:
            LOG.warning("OpenLineage: %s is not told, the receiver is too slow", publication.asset)

    def close(self) -> None:
        """Wait some seconds for the events that are on their way; the rest is left out."""
        if not self._thread.is_alive():
            return
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(self._last_seconds)
        if self._thread.is_alive():
            LOG.warning("OpenLineage: the receiver does not answer; some events are left out")

    def _work(self) -> None:
        send: Send | None = None
        while (publication := self._waiting.get()) is not None:
            try:
                send = send or self._connect()
                send(self._event_of(publication))
            except Exception as error:
                LOG.warning("OpenLineage: %s is not told: %s", publication.asset, error)
