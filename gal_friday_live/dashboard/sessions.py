"""Who may come in: one-time tokens, sessions with a token against forged requests, and how often anybody may ask.

A login token opens one session and is worthless afterwards; the next one is made at once, and the owner of the data
directory can read it there. Tokens and session ids are kept as digests.
"""

import hashlib
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MOST_SESSIONS: Final = 64
LONGEST_S: Final = 7 * 86_400.0
"""However busy a session is, after so long somebody logs in again."""


@dataclass(slots=True)
class Session:
    """`name` is what audit records call it: no secret."""

    name: str
    csrf: str
    begun_s: float
    seen_s: float


class Sessions:
    """`timer` gives monotonic seconds. `on_token` is told of each new login token."""

    def __init__(
        self, *, idle_s: float, timer: Callable[[], float], on_token: Callable[[str], object] = lambda _: None
    ) -> None:
        self._idle_s = idle_s
        self._timer = timer
        self._on_token = on_token
        self._sessions: dict[bytes, Session] = {}
        self._token = b""
        self.renew()

    def renew(self) -> None:
        """A new login token in the place of the present one."""
        token = secrets.token_urlsafe(32)
        self._token = _digest(token)
        self._on_token(token)

    def login(self, token: str) -> str | None:
        """The id of a new session, for its cookie; None where the token is not the present one."""
        if not secrets.compare_digest(_digest(token), self._token):
            return None
        self.renew()
        now, identity = self._timer(), secrets.token_urlsafe(32)
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].seen_s)]
        self._sessions[_digest(identity)] = Session(secrets.token_hex(3), secrets.token_urlsafe(32), now, now)
        return identity

    def find(self, identity: str) -> Session | None:
        """The session of a cookie, seen now; None where there is none, or it is too old."""
        key, now = _digest(identity), self._timer()
        session = self._sessions.get(key)
        if session is None:
            return None
        if now - session.seen_s > self._idle_s or now - session.begun_s > LONGEST_S:
            del self._sessions[key]
            return None
        session.seen_s = now
        return session

    def logout(self, identity: str) -> None:
        self._sessions.pop(_digest(identity), None)


class Rate:
    """At most `burst` at once, and `per_s` for ever, for each key.

    >>> now = [0.0]
    >>> rate = Rate(burst=2, per_s=1.0, timer=lambda: now[0])
    >>> rate.take("ada"), rate.take("ada"), rate.take("ada"), rate.take("bob")
    (0.0, 0.0, 1.0, 0.0)
    >>> now[0] = 1.0
    >>> rate.take("ada")
    0.0
    """

    MOST_KEYS: Final = 1_024

    def __init__(self, *, burst: int, per_s: float, timer: Callable[[], float]) -> None:
        self._burst = float(burst)
        self._per_s = per_s
        self._timer = timer
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> float:
        """0 where it may; else the whole seconds after which it may again."""
        now = self._timer()
        left, since = self._left.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_s)
        allowed = left >= 1
        self._left[key] = (left - 1 if allowed else left, now)
        while len(self._left) > self.MOST_KEYS:
            del self._left[next(iter(self._left))]
        return 0.0 if allowed else float(math.ceil((1 - left) / self._per_s))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
