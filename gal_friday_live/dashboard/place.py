"""Where a dashboard may listen, and under which names."""

from ipaddress import ip_address

from gal_friday_adapters.loopback import is_loopback
from gal_friday_adapters.private_files import require_private
from gal_friday_core.dashboard_settings import DashboardConfig
from gal_friday_core.errors import ConfigError


def check_safe(settings: DashboardConfig) -> None:
    """Raises ConfigError for an address away from loopback without TLS, and for half of a pair of keys."""
    certificate, key = settings.tls_certificate, settings.tls_key
    if (certificate is None) != (key is None):
        raise ConfigError("dashboard.tls_certificate and dashboard.tls_key belong together: set both or none")
    if certificate is None and not is_loopback(settings.host):
        raise ConfigError(
            f"dashboard.host {settings.host} can be reached from elsewhere: set dashboard.tls_certificate and "
            "dashboard.tls_key, or listen on 127.0.0.1 and come through an ssh tunnel"
        )
    if key is not None:
        require_private(key, "dashboard.tls_key")


def host_names(settings: DashboardConfig) -> tuple[str, ...]:
    """Host names besides loopback's; of an address that means all of them, none follows."""
    return settings.names if _is_every(settings.host) else (*settings.names, shown_host(settings))


def _is_every(host: str) -> bool:
    """Whether it stands for all addresses of the machine."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def shown_host(settings: DashboardConfig) -> str:
    """As an address says it."""
    host = settings.names[0] if settings.names else settings.host
    return f"[{host}]" if ":" in host else host
