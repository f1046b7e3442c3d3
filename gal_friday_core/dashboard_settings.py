"""Where the dashboard listens, and for whom."""

from pathlib import Path

from pydantic import Field, SecretStr

from gal_friday_core.section import Section


class DashboardConfig(Section):
    """The page that shows and halts an engine. Away from loopback it asks for TLS."""

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address it listens on; others than loopback need the two keys of TLS",
    )
    port: int = Field(8787, ge=0, le=65_535, description="Port it listens on; 0 takes a free one")
    names: tuple[str, ...] = Field(
        (), description="Further host names under which a browser may ask for it; all others are refused"
    )
    tls_certificate: Path | None = Field(None, description="PEM file with its certificate chain")
    tls_key: Path | None = Field(
        None, description="PEM file with its private key, readable by its owner only"
    )
    updates_per_s: float = Field(2.0, gt=0, le=20, description="How often an open page is brought up to date")
    session_hours: float = Field(
        12.0, gt=0, le=720, description="A browser that was silent for so long must log in again"
    )
    metrics_token: SecretStr | None = Field(
        None, description="What Prometheus says to read /metrics; unset, only this machine may, over loopback"
    )
