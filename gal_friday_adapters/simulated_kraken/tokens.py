"""Websocket tokens: 15 minutes to use one; a session keeps the one that it subscribed with."""

import base64
from collections.abc import Callable

LIFETIME_S = 900
LIFETIME_NS = LIFETIME_S * 1_000_000_000


class Tokens:
    """Hands out tokens for accounts. `random_bytes` is the source of what nobody may guess."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._issued: dict[str, tuple[str, int]] = {}

    def issue(self, account: str, now_ns: int) -> str:
        self._forget_old(now_ns)
        token = base64.b64encode(self._random_bytes(32)).decode()
        self._issued[token] = (account, now_ns + LIFETIME_NS)
        return token

    def account(self, token: str, now_ns: int) -> str | None:
        """Whose token this is, or None where it is unknown or was never used in time."""
        account, until_ns = self._issued.get(token, (None, 0))
        return account if now_ns <= until_ns else None

    def revoke(self) -> None:
        self._issued.clear()

    def _forget_old(self, now_ns: int) -> None:
        for token in [token for token, (_, until_ns) in self._issued.items() if until_ns < now_ns]:
            del self._issued[token]
