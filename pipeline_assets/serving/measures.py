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

    @contextmanager
    def answering(self, caller: str) -> Iterator[None]:
        """Count a request while it is answered."""
        started = time.perf_counter()
        with self._answering.labels(caller).track_inprogress():
            try:
                yield
            finally:
                self._seconds.labels(caller).observe(time.perf_counter() - started)

    def response(self) -> Response:
        """All measures in Prometheus' text format."""
        return Response(written(self._registry), media_type=CONTENT_TYPE_LATEST)
