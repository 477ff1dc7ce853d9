"""Who may ask `pipeline-assets serve`."""

from collections.abc import Mapping

from pydantic import Field

from pipeline_assets.api_token import ApiToken
from pipeline_assets.settings.values import Group


class ApiSettings(Group):
    """Who may ask `pipeline-assets serve`."""

    api_tokens: Mapping[str, ApiToken] = Field(
        default_factory=dict,
        repr=False,
        description="Who may ask `pipeline-assets serve`, as JSON of name to "
        '`{"sha256": …, "tables": ["music.*"], "concurrency": 4}`; without any, only this machine.',
    )
