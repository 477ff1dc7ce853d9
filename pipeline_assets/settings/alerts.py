"""Whom alerts reach."""

from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from pipeline_assets.settings.values import Group

ALERT_SCHEMES: Final = {
    "alert_smtp_url": ("smtp", "smtps"),
    "alert_slack_webhook": ("https", "http"),
}


class AlertSettings(Group):
    """Whom alerts reach."""

    alert_smtp_url: SecretStr | None = Field(
        None,
        description="Alert by e-mail over `smtp://[user:password@]host[:port]` or `smtps://…`.",
    )
    alert_email_from: str | None = Field(None, description="Address that e-mails come from.")
    alert_email_to: str | None = Field(
        None, description="Addresses that they go to, with commas between them."
    )
    alert_slack_webhook: SecretStr | None = Field(
        None, description="Alert through this webhook of Slack."
    )
    alert_sns_topic_arn: str | None = Field(None, description="Alert through this topic of SNS.")

    @field_validator("alert_smtp_url", "alert_slack_webhook")
    @classmethod
    def _reachable(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        schemes = ALERT_SCHEMES[str(info.field_name)]
        parts = urlsplit(url.get_secret_value()) if url else None
        if parts and (parts.scheme not in schemes or not parts.hostname):
            raise ValueError(f"is no URL that starts with {' or '.join(schemes)} and names a host")
        return url

    @model_validator(mode="after")
    def _addressed(self) -> "AlertSettings":
        given = (self.alert_smtp_url, self.alert_email_from, self.alert_email_to)
        if any(given) and not all(given):
            raise ValueError("ALERT_SMTP_URL, ALERT_EMAIL_FROM and ALERT_EMAIL_TO go together")
        return self

    @property
    def alert_recipients(self) -> tuple[str, ...]:
        """The e-mail addresses that alerts go to."""
        addresses = map(str.strip, (self.alert_email_to or "").split(","))
        return tuple(filter(None, addresses))
