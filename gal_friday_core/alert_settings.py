"""Who is told what, and how often at most."""

from typing import Literal

from pydantic import Field, SecretStr

from gal_friday_core.alerts import AlertSeverity
from gal_friday_core.section import Section


class AlertsConfig(Section):
    """Destinations are addresses as apprise takes them (json://, mailto://, tgram://, slack://, ntfy://, …), and secrets."""

    page_urls: tuple[SecretStr, ...] = Field(
        (), description="Destinations that hear pages only: what must be looked at now"
    )
    warning_urls: tuple[SecretStr, ...] = Field((), description="Destinations that hear warnings and pages")
    info_urls: tuple[SecretStr, ...] = Field((), description="Destinations that hear everything")
    min_severity: Literal["info", "warning", "page"] = Field(
        "info", description="What is less is logged only, wherever it would go"
    )
    repeat_after_s: float = Field(
        300.0,
        ge=0,
        le=86_400,
        description="The same alert again within this time is held, counted, and told then",
    )
    pause_s: float = Field(
        10.0,
        ge=0,
        le=3_600,
        description="Least time between two messages to one destination; what comes meanwhile goes together in the next",
    )
    give_up_after_s: float = Field(
        3_600.0, gt=0, description="An alert that a destination has not taken for so long is given up"
    )
    queue: int = Field(
        1_000,
        ge=10,
        description="Alerts that may wait for each destination; further ones are lost and counted",
    )

    @property
    def urls(self) -> tuple[tuple[AlertSeverity, str, SecretStr], ...]:
        """Every destination: the least that it hears, its name, which may be shown, and its address."""
        listed: tuple[tuple[AlertSeverity, tuple[SecretStr, ...]], ...] = (
            ("page", self.page_urls), ("warning", self.warning_urls), ("info", self.info_urls),
        )  # fmt: skip
        return tuple(
            (least, f"{least}_urls[{number}]", url)
            for least, urls in listed
            for number, url in enumerate(urls)
        )

    @property
    def pages_somebody(self) -> bool:
        """Whether there is anybody to wake: every destination hears pages."""
        return bool(self.urls)
