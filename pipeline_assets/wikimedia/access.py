"""How a deployment reaches Wikimedia's APIs, and under whose name."""

from dataclasses import dataclass, field
from datetime import date
from typing import Final

from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.errors import PipelineError

PRODUCT: Final = "pipeline-assets/1.0"


@dataclass(frozen=True)
class Wikimedia:
    """Wikimedia's APIs, which may not be configured; nothing connects before it is used.

    Attributes:
        setting: The variable that holds the contact.
        contact: Whom Wikimedia can write to, an e-mail address or a URL. Its User-Agent policy asks
            for it: https://foundation.wikimedia.org/wiki/Policy:User-Agent_policy
        project: The wiki, such as ``en.wikipedia``.
        sentinel: An article that somebody reads every day: a day without it is not loaded yet.
        endpoint: Root of a server that stands in for Wikimedia's; None for Wikimedia itself.
        start: The first day whose views are asked for.
        requests_per_run: How many requests one run may send.
        answers: Where answers are kept, so that nothing is asked twice.
        store: Holds the answers.
    """

    setting: str
    contact: str | None
    project: str
    sentinel: str
    endpoint: str | None
    start: date
    requests_per_run: int
    answers: str
    store: ObjectStore = field(repr=False)

    @property
    def is_set(self) -> bool:
        """Whether somebody is named as the operator; without a name nothing is asked."""
        return self.contact is not None

    @property
    def address(self) -> str:
        """The wiki that is asked."""
        return self.project

    def require(self) -> "Wikimedia":
        """The same, if it may ask.

        Raises:
            PipelineError: Nobody is named as the operator.
        """
        if self.contact is None:
            raise PipelineError(
                f"{self.setting} is not set; Wikimedia asks for an address of whoever operates a "
                "program, such as data@example.org, and without it nothing is asked"
            )
        return self

    @property
    def user_agent(self) -> str:
        """Names the program and its operator."""
        return f"{PRODUCT} ({self.contact})"

    @property
    def views_root(self) -> str:
        """Root of the page view API."""
        return f"{self.endpoint or 'https://wikimedia.org'}/api/rest_v1/metrics/pageviews"

    @property
    def query_root(self) -> str:
        """MediaWiki's own API of the project."""
        return f"{self.endpoint or f'https://{self.project}.org'}/w/api.php"
