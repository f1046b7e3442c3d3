"""The files by which a dask scheduler and this process know each other, looked at before anything is sent.

dask asks for a certificate by the authority on both sides, whatever name it bears: the authority must be one of the
cluster's own, never a public one.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gal_friday_adapters.private_files import require_private
from gal_friday_core.errors import ConfigError

if TYPE_CHECKING:
    from distributed.security import Security

KEY = "the key for the scheduler"


def security(tls: Sequence[Path]) -> "Security":
    """What dask is told of the files of the authority, of the own certificate and of its key.

    Raises ConfigError that names the file which is missing, is not what it should be, or may be read by others.
    """
    from distributed.security import Security

    authority, certificate, key = (path.expanduser() for path in tls)
    require_private(key, KEY)
    _load(authority, certificate, key)
    return Security(
        require_encryption=True,
        tls_ca_file=str(authority),
        tls_client_cert=str(certificate),
        tls_client_key=str(key),
    )


def _load(authority: Path, certificate: Path, key: Path) -> None:
    """As the library will, which would take a bad file for a scheduler that is away, and ask a passphrase of nobody."""
    try:
        context = ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise ConfigError(
            f"{authority}: not the certificate of an authority in PEM ({_said(error)})"
        ) from None
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except OSError as error:
        raise ConfigError(
            f"{certificate} and {key}: not a certificate and its key, without a passphrase, in PEM ({_said(error)})"
        ) from None


def _said(error: OSError) -> str:
    reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
    return str(reason).lower().replace("_", " ")
