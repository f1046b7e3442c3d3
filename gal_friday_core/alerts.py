"""What somebody must be told while nobody looks: alerts, how bad they are, and which of them say nothing new.

Pure: times come in as monotonic seconds. Entry points: `Alert`, `Repeats`, `digest`, `secrets_in`.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

AlertSeverity = Literal["info", "warning", "page"]
"""Good to know, to be looked at today, and to be looked at now: a page wakes somebody."""
SEVERITIES: Final[tuple[AlertSeverity, ...]] = ("info", "warning", "page")
MOST_TOLD: Final = 20
"""Alerts named in one message; of more it says how many there were."""
MOST_KEYS: Final = 4_096
"""Keys remembered; the oldest is forgotten for a new one, which may then be told once too often."""

_MARKS: Final[dict[str, str]] = {"info": "Info", "warning": "Warning", "page": "PAGE"}
_PORT: Final = re.compile(r":\d{1,5}$")
_PUBLIC_HOST: Final = re.compile(r"[.\[]|^localhost$|^$")
_TOKEN: Final = re.compile(r"(?=.*\d)|(?=.*[a-z])(?=.*[A-Z])")


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """`code` names the kind, `key` the one thing that it is about: alerts of one key and severity repeat each other.

    Neither title nor text may hold a secret; both are redacted on the way nevertheless.
    """

    code: str
    severity: AlertSeverity
    title: str
    text: str
    key: str

    def __str__(self) -> str:
        return f"{_MARKS[self.severity]}: {self.title}"


def reaches(severity: AlertSeverity, least: AlertSeverity) -> bool:
    """Whether it is at least so bad.

    >>> [reaches(one, "warning") for one in ("info", "warning", "page")]
    [False, True, True]
    """
    return SEVERITIES.index(severity) >= SEVERITIES.index(least)


class Repeats:
    """Lets the first alert of a key through and holds its repetitions for `window_s`; then the last one is told.

    So nobody is told the same twice in a window, and what was told last is what was true last. Another severity of
    the same key is another thing. `suppressed` counts those that were held and never told by themselves.

    >>> repeats = Repeats(300)
    >>> down = Alert(code="DOWN", severity="warning", title="Line down", text="since 12:00", key="line")
    >>> [repeats.take(down, at_s) is not None for at_s in (0, 10, 20)]
    [True, False, False]
    >>> repeats.due(100), [alert.title for alert in repeats.due(300)], repeats.suppressed
    ([], ['Line down (2 since the last one)'], 1)
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._told_s: dict[tuple[str, str], float] = {}
        self._held: dict[tuple[str, str], tuple[Alert, int]] = {}
        self.suppressed = 0

    def take(self, alert: Alert, now_s: float) -> Alert | None:
        """The alert where it is new; None where it is held."""
        one = (alert.key, alert.severity)
        told_s = self._told_s.get(one)
        if told_s is None or (now_s - told_s >= self._window_s and one not in self._held):
            self._tell(one, now_s)
            return alert
        count = self._held[one][1] if one in self._held else 0
        self._held[one] = (alert, count + 1)
        self.suppressed += count > 0
        return None

    def due(self, now_s: float) -> list[Alert]:
        """Held alerts whose window has passed, each saying how many came; a new window begins."""
        over = [one for one in self._held if now_s - self._told_s[one] >= self._window_s]
        found = []
        for one in over:
            alert, count = self._held.pop(one)
            self._tell(one, now_s)
            often = f" ({count} since the last one)" if count > 1 else ""
            found.append(msgspec.structs.replace(alert, title=alert.title + often))
        return found

    def next_s(self) -> float | None:
        """When `due` has something to say; None while nothing is held."""
        return min((self._told_s[one] + self._window_s for one in self._held), default=None)

    def _tell(self, one: tuple[str, str], now_s: float) -> None:
        self._told_s.pop(one, None)  # so that the order of the mapping is that of the last word on each
        self._told_s[one] = now_s
        if len(self._told_s) > MOST_KEYS:
            forgotten = next(known for known in self._told_s if known not in self._held)
            del self._told_s[forgotten]


def digest(alerts: Sequence[Alert]) -> tuple[AlertSeverity, str, str]:
    """One message of several alerts, the worst first: its severity, title and text.

    >>> halt = Alert(code="HALT", severity="page", title="Trading halted", text="DISK_FULL", key="halt")
    >>> note = Alert(code="START", severity="info", title="Engine started", text="paper", key="start")
    >>> digest([halt])
    ('page', 'PAGE: Trading halted', 'DISK_FULL')
    >>> print(*digest([note, halt]), sep="; ")
    page; PAGE: Trading halted, and 1 more; PAGE: Trading halted
    DISK_FULL
    <BLANKLINE>
    Info: Engine started
    paper
    """
    worst_first = sorted(alerts, key=lambda alert: -SEVERITIES.index(alert.severity))
    first = worst_first[0]
    if len(worst_first) == 1:
        return first.severity, str(first), first.text
    parts = [f"{alert}\n{alert.text}" for alert in worst_first[:MOST_TOLD]]
    if len(worst_first) > MOST_TOLD:
        parts.append(f"… and {len(worst_first) - MOST_TOLD} more")
    return first.severity, f"{first}, and {len(worst_first) - 1} more", "\n\n".join(parts)


def secrets_in(url: str) -> set[str]:
    """What must never be shown of a destination: its whole address, and every part that may be a key to it.

    A part counts that looks drawn rather than chosen: digits, or large and small letters. Passwords always count.

    >>> sorted(secrets_in("tgram://123456:AbC-x9/4711/?format=html"))[:2]
    ['123456', '123456:AbC-x9']
    >>> sorted(secrets_in("json://ada:hunter@10.0.0.7:8080/hook"))
    ['ada:hunter@10.0.0.7:8080/hook', 'hunter', 'json://ada:hunter@10.0.0.7:8080/hook']
    """
    rest = url.partition("://")[2]
    address, _, query = rest.partition("?")
    userinfo, at, place = address.rpartition("@")
    user, _, password = userinfo.partition(":")
    host, _, path = place.partition("/")
    parts = [user, *path.split("/"), *(value for _, value in parse_qsl(query))]
    if not _PUBLIC_HOST.search(_PORT.sub("", host)):
        parts += [host, *host.split(":")]
    found = {url, rest, address} | {part for part in parts if _TOKEN.match(part)}
    if at and password:
        found.add(password)
    return {form for text in found for form in (text, unquote(text)) if text}


def scheme(url: str) -> str:
    """The kind of destination, which may be shown.

    >>> scheme("ntfy://my-topic"), scheme("no address at all")
    ('ntfy', 'unknown')
    """
    kind = urlsplit(url).scheme if "://" in url else ""
    return kind or "unknown"
