"""The API as an AWS Lambda function behind an HTTP API of API Gateway (payload format 2.0).

Name ``pipeline_assets.serving.lambda_handler.handler`` as the function's handler. Its settings are
the function's environment variables.
"""

from functools import cache
from typing import Any

from mangum import Mangum

from pipeline_assets.serving.server import api
from pipeline_assets.settings import Settings


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - AWS's own
    """Answer one event as the web server would."""
    answered: dict[str, Any] = _adapter()(event, context)
    return answered


@cache
def _adapter() -> Mangum:
    """Built by a container's first event, and kept for the next ones."""
    app = api(Settings.from_environment())
    # Bodies of all other types, such as Arrow's, travel in base64.
    return Mangum(app, lifespan="off", text_mime_types=["text/", "json"])
