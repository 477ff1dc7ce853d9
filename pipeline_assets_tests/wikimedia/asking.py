"""Access to a server that answers like Wikimedia's, with the answers kept in a folder."""

from datetime import date
from pathlib import Path

from pipeline_assets.sample.wikipedia.server import Wikipedia
from pipeline_assets.storage.objects import LocalStore
from pipeline_assets.wikimedia.access import Wikimedia


def access(
    wikipedia: Wikipedia,
    folder: Path,
    *,
    contact: str | None = "data@example.org",
    requests: int = 5_000,
    start: date = date(2026, 1, 1),
    project: str = "en.wikipedia",
) -> Wikimedia:
    return Wikimedia(
        setting="PIPELINE_WIKIMEDIA_CONTACT",
        contact=contact,
        project=project,
        sentinel="Main_Page",
        endpoint=wikipedia.url,
        start=start,
        requests_per_run=requests,
        answers=str(folder / "answers"),
        store=LocalStore(),
    )
