"""The signature of a private REST call, for both sides: our client and the simulated exchange."""

import base64
import binascii
import hashlib
import hmac

from gal_friday_core.errors import ConfigError


def sign(path: str, nonce: str, body: bytes, secret: str) -> str:
    """The `API-Sign` header: base64(HMAC-SHA512(secret, path + SHA256(nonce + body))), by Kraken's guide.

    `path` begins with /0/private/; `body` is exactly what is sent, and contains the nonce; `secret` is base64, as
    Kraken shows it. Raises ConfigError, which does not repeat it, where it is not.
    """
    digest = hashlib.sha256(nonce.encode() + body).digest()
    mac = hmac.digest(secret_bytes(secret), path.encode() + digest, "sha512")
    return base64.b64encode(mac).decode()


def secret_bytes(secret: str) -> bytes:
    """What a secret stands for. Raises ConfigError where it is not base64."""
    try:
        return base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(
            "the Kraken API secret is not base64: copy it again, whole, without spaces"
        ) from None
