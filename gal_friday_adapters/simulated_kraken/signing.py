"""Who may call: API keys, their signatures, and the nonce that only grows.

The nonce is an unsigned 64-bit number, strictly greater than the last one that was accepted for the key.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass, field

from gal_friday_adapters.simulated_kraken.permissions import TRADING, Permission, permits
from gal_friday_core.kraken.signing import sign

INVALID_KEY = "EAPI:Invalid key"
INVALID_SIGNATURE = "EAPI:Invalid signature"
INVALID_NONCE = "EAPI:Invalid nonce"
LOCKED_OUT = "EGeneral:Temporary lockout"
NONCE_LIMIT = 1 << 64
FAILURES_TO_LOCKOUT = 20
LOCKOUT_NS = 60_000_000_000


@dataclass(slots=True)
class ApiKey:
    """One key of an account, and what has been seen of it."""

    key: str
    secret: str = field(repr=False)
    account: str
    permissions: frozenset[Permission] = TRADING
    last_nonce: int = -1
    failures: int = 0
    locked_until_ns: int = 0


class Keyring:
    """Checks the headers of private calls. `check` returns the account, or Kraken's error text."""

    def __init__(self, keys: list[ApiKey]) -> None:
        self._keys = {key.key: key for key in keys}

    def revoke(self, name: str) -> None:
        """A key that its owner deleted is nobody's from now on."""
        self._keys.pop(name, None)

    def lock(self, name: str, until_ns: int) -> None:
        """Refuse a key for a while, as after too many failures."""
        self._keys[name].locked_until_ns = until_ns

    def check(
        self, path: str, nonce: str, body: bytes, headers: tuple[str, str], now_ns: int
    ) -> tuple[str, str]:
        """`headers` are API-Key and API-Sign. Returns (account, error): one of them is empty."""
        name, signature = headers
        key = self._keys.get(name)
        if key is None:
            return "", INVALID_KEY
        if now_ns < key.locked_until_ns:
            return "", LOCKED_OUT
        error = _refusal(key, path, nonce, body, signature)
        if error:
            _count_failure(key, now_ns)
            return "", error
        key.failures = 0
        key.last_nonce = int(nonce)
        return key.account, ""

    def permits(self, name: str, method: str) -> bool:
        """Whether a key may call a method. An unknown key may nothing."""
        key = self._keys.get(name)
        return key is not None and permits(key.permissions, method)


def _refusal(key: ApiKey, path: str, nonce: str, body: bytes, signature: str) -> str:
    if not _same(sign(path, nonce, body, key.secret), signature):
        return INVALID_SIGNATURE
    if not (nonce.isascii() and nonce.isdigit()) or not key.last_nonce < int(nonce) < NONCE_LIMIT:
        return INVALID_NONCE
    return ""


def _same(expected: str, given: str) -> bool:
    try:
        return hmac.compare_digest(base64.b64decode(expected), base64.b64decode(given, validate=True))
    except (binascii.Error, ValueError):
        return False


def _count_failure(key: ApiKey, now_ns: int) -> None:
    key.failures += 1
    if key.failures >= FAILURES_TO_LOCKOUT:
        key.failures = 0
        key.locked_until_ns = now_ns + LOCKOUT_NS
