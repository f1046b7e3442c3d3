"""How modules talk to each other: the section `module_communication` of the configuration (004)."""

from typing import Self
from urllib.parse import quote

from pydantic import Field, SecretStr, model_validator

from gal_friday_core.section import Section
from gal_friday_core.strands.tags import ADDRESSES, channel_of

CHANNELS = tuple(channel_of(tag) for tag in ADDRESSES)


class StrandsDatabaseConfig(Section):
    """Where the strands are; without a host, where everything else is."""

    host: str | None = Field(
        None, description="Server, or folder of its socket; without it the database of storage is used"
    )
    port: int = Field(5432, ge=1, le=65_535, description="The server's port")
    database: str = Field("gal_friday", min_length=1, description="Name of the database there")
    user: str | None = Field(None, description="Login of the module, with the least rights that it needs")
    password: SecretStr | None = Field(None, description="Its password; better in the environment")

    @property
    def url(self) -> str | None:
        """postgresql://…, a secret where it has a password; None without a host."""
        if self.host is None:
            return None
        login = "" if self.user is None else quote(self.user, safe="")
        if self.password is not None:
            login += f":{quote(self.password.get_secret_value(), safe='')}"
        at = f"{login}@" if login else ""
        name = quote(self.database, safe="")
        if self.host.startswith("/"):
            return f"postgresql://{at}/{name}?host={quote(self.host, safe='')}&port={self.port}"
        return f"postgresql://{at}{self.host}:{self.port}/{name}"


class StrandsNotificationsConfig(Section):
    """Notifications are hints: without them strands are found by looking."""

    enabled: bool = Field(True, description="Listen, so that a strand is handled at once")
    channels: tuple[str, ...] = Field(CHANNELS, description="Channels that may be listened to")
    poll_s: float = Field(1.0, gt=0, le=60, description="Look for strands so often, whatever was heard")
    heartbeat_s: float = Field(5.0, gt=0, le=300, description="Tell so often that the module lives")

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = [channel for channel in self.channels if channel not in CHANNELS]
        if unknown:
            raise ValueError(f"channels: there is none named {unknown[0]}, only {', '.join(CHANNELS)}")
        return self


class StrandsInboxConfig(Section):
    """How strands are taken from an inbox."""

    batch: int = Field(100, ge=1, le=1_000, description="Strands that are handled in one transaction at most")
    lease_s: float = Field(
        15.0, gt=0, le=3_600, description="A claimed strand is another's to claim after so many seconds"
    )
    attempts: int = Field(
        5, ge=1, le=100, description="Tries of a strand that the database refuses, or that kills its handler"
    )
    retry_s: float = Field(0.2, gt=0, le=60, description="Seconds before the second try, doubled each time")


class StrandsCleanupConfig(Section):
    """When finished strands are removed."""

    enabled: bool = Field(True, description="The decision maker removes finished strands by the clock")
    retention_days: int = Field(7, ge=1, le=3_650, description="Days that a finished strand is kept")
    cleanup_interval_hours: float = Field(24.0, gt=0, le=720, description="Hours between two cleanings")


class ModuleCommunicationConfig(Section):
    """For engines that run as alpha, decision maker and trader."""

    database: StrandsDatabaseConfig = Field(StrandsDatabaseConfig(), description="Where the strands are")
    notifications: StrandsNotificationsConfig = Field(
        StrandsNotificationsConfig(), description="Hints that a strand waits"
    )
    inbox: StrandsInboxConfig = Field(StrandsInboxConfig(), description="How strands are taken")
    cleanup: StrandsCleanupConfig = Field(StrandsCleanupConfig(), description="How long they are kept")
