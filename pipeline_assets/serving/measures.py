"""What the API measures of itself, as Prometheus reads it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, Histogram
from prometheus_client import generate_latest as written


class Measures:
    """Requests of one application: how many, how long, how many at this moment."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "lake_request_seconds",
            "Seconds until a request was answered.",
            ["caller"],
            registry=self._registry,
        )
        self._answering = Gauge(
            "lake_requests_in_progress",
            "Requests that are being answered.",
            ["caller"],
            registry=self._registry,
        )
        self._known: dict[str, tuple[Histogram, Gauge]] = {}

    @contextmanager
    def answering(self, caller: str) -> Iterator[None]:
        """Count a request while it is answered."""
        seconds, answering = self._known.get(caller) or self._new(caller)
        started = time.perf_counter()
        answering.inc()
        try:
            yield
        finally:
            answering.dec()
            seconds.observe(time.perf_counter() - started)

    def _new(self, caller: str) -> tuple[Histogram, Gauge]:
        measures = self._seconds.labels(caller), self._answering.labels(caller)
        return self._known.setdefault(caller, measures)

    def response(self) -> Response:
        """All measures in Prometheus' text format."""
        return Response(written(self._registry), media_type=CONTENT_TYPE_LATEST)
