"""Page views of Wikipedia: who asks, for which wiki, from when on."""

from datetime import date

from pydantic import Field

from pipeline_assets.dataset.values.windows import FIRST_MONTH, LAST_DAY
from pipeline_assets.settings.values import Group


class PageViewSettings(Group):
    """Page views of Wikipedia: who asks, for which wiki, from when on."""

    wikimedia_contact: str | None = Field(
        None,
        pattern=r"^[!-~]*[@:][!-~]+$",
        description="Whom Wikimedia can write to about your requests: an e-mail address or a URL. "
        "Without it nothing is asked.",
    )
    wikimedia_project: str = Field(
        "en.wikipedia", pattern=r"^[a-z0-9.-]+$", description="The wiki whose articles are counted."
    )
    wikimedia_sentinel: str = Field(
        "Main_Page",
        description="An article of it that is read every day; a day without its views counts as "
        "not loaded yet.",
    )
    wikimedia_endpoint_url: str | None = Field(
        None,
        pattern=r"^https?://.*[^/]$",
        description="Root of a server that is not Wikimedia's, for instance a test server.",
    )
    wikimedia_requests_per_run: int = Field(
        5_000, ge=1, description="Requests that a run may send; the next run goes on from there."
    )
    pageviews_start: date = Field(
        FIRST_MONTH,
        le=LAST_DAY,
        description="Page views are asked for from this month on; each month costs a request for "
        "every title, redirects included.",
    )
