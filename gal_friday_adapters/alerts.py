"""Alerts to whoever is to hear them: a queue and a thread for each destination, none of which holds anybody up.

`raise_alert` logs and queues, no more. One thread says what is new (`gal_friday_core.alerts.Repeats`), and every
destination has an outbox of its own, so that one which is down delays no other. apprise is imported by that thread as
it starts, and only where there is a destination: it takes a second and 25 MB.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec

from gal_friday_adapters.destination import Destination
from gal_friday_adapters.outbox import Outbox, OutboxCounts
from gal_friday_core.alert_settings import AlertsConfig
from gal_friday_core.alerts import Alert, Repeats, digest, reaches, scheme, secrets_in
from gal_friday_core.errors import ConfigError, DataError, StorageError
from gal_friday_core.redaction import Redactor
from gal_friday_core.times import to_iso

LOGGER: Final = "gal_friday.alerts"
"""Of every alert's own line."""
INBOX: Final = 10_000
"""Alerts that may wait to be looked at, which takes microseconds."""
PAUSES_S: Final = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
"""Between two tries."""
LINGER_S: Final = 0.2
"""What belongs together comes within this time, and is told together."""
_LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING, "page": logging.ERROR}

log = logging.getLogger(LOGGER)


class Post(Protocol):
    """What delivers to one address, as `Destination` does."""

    def connect(self) -> None: ...

    def __call__(self, severity: str, title: str, text: str) -> None: ...


class AlertCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Of alerts: `raised` in all, `suppressed` as repetitions, `unheard` too mild to send or with nobody to hear, `lost` before
    anybody looked at them; and what became of those that each destination was to have.
    """

    raised: int
    suppressed: int
    unheard: int
    lost: int
    destinations: dict[str, OutboxCounts]


class AlertDispatch:
    """Implements the `Alerts` port. `secrets` are to be registered with whoever writes logs.

    `post_for` makes what delivers to one address; `timer` counts monotonic seconds. Each text ends with the time, since
    it may arrive late.
    """

    def __init__(
        self,
        settings: AlertsConfig,
        *,
        redactor: Redactor | None = None,
        post_for: Callable[[str, str], Post] = Destination,
        timer: Callable[[], float] = time.monotonic,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._now_ns = now_ns
        self._settings = settings
        self._timer = timer
        self._redactor = redactor or Redactor()
        self._redactor.register(*secrets(settings))
        self._repeats = Repeats(settings.repeat_after_s)
        self._inbox: deque[Alert] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._raised = self._lost = self._unheard = 0
        self._routes = [
            _Route(settings, least, name, post_for(f"alerts.{name}", url.get_secret_value()), timer)
            for least, name, url in settings.urls
        ]

    @property
    def counts(self) -> AlertCounts:
        return AlertCounts(
            raised=self._raised,
            suppressed=self._repeats.suppressed,
            unheard=self._unheard,
            lost=self._lost,
            destinations={route.outbox.name: route.outbox.counts for route in self._routes},
        )

    def start(self) -> None:
        """Begin to send. What was raised before is sent too."""
        if self._thread is None and self._routes:
            # A daemon, as the outboxes are: no destination keeps the process from ending.
            self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
            self._thread.start()

    def raise_alert(self, alert: Alert) -> None:
        """Log it and queue it; never waits, never raises."""
        said = msgspec.structs.replace(
            alert, title=self._redactor.text(alert.title), text=self._redactor.text(alert.text)
        )
        self._raised += 1
        log.log(
            _LEVELS[said.severity], "%s: %s", said, " ".join(said.text.split()), extra={"code": said.code}
        )
        if not self._routes or not reaches(said.severity, self._settings.min_severity):
            self._unheard += 1
        elif len(self._inbox) >= INBOX or self._closing:
            self._lost += 1
        else:
            at = f"{to_iso(self._now_ns())[:19]}Z"
            self._inbox.append(msgspec.structs.replace(said, text=f"{said.text}\n{at}"))
            self._wake.set()

    def drain(self, within_s: float) -> bool:
        """Wait until everything that is not held back was told; whether it was, in time. For who may wait."""
        end = time.monotonic() + within_s
        while self._inbox or any(route.outbox.counts.waiting for route in self._routes):
            if time.monotonic() >= end:
                return False
            time.sleep(0.02)  # nobody is called when an outbox has emptied
        return True

    def close(self, deadline_s: float) -> bool:
        """Tell what waits, what is held included, for at most so long; False where something could not be told."""
        end = time.monotonic() + deadline_s
        self.start()
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(deadline_s)
        for route in self._routes:  # all at once: one that hangs takes no time from the others
            route.outbox.hurry()
        told = [route.outbox.close(max(0.0, end - time.monotonic())) for route in self._routes]
        return all(told) and not self._inbox

    def _run(self) -> None:
        for route in self._routes:
            route.connect()
        while True:
            self._wake.wait(self._patience_s())
            self._wake.clear()
            closing = self._closing
            now_s = self._timer()
            while self._inbox:
                if (new := self._repeats.take(self._inbox[0], now_s)) is not None:
                    self._route(new)
                self._inbox.popleft()
            for alert in self._repeats.due(float("inf") if closing else now_s):
                self._route(alert)
            if closing:
                return

    def _patience_s(self) -> float | None:
        next_s = self._repeats.next_s()
        return None if next_s is None else max(0.0, next_s - self._timer())

    def _route(self, alert: Alert) -> None:
        heard = [route.outbox for route in self._routes if reaches(alert.severity, route.least)]
        self._unheard += not heard
        for outbox in heard:
            outbox.put((alert, self._timer()))


class _Route:
    """One destination: what it hears, and its outbox."""

    def __init__(
        self, settings: AlertsConfig, least: Any, name: str, post: Post, timer: Callable[[], float]
    ) -> None:
        self.least = least
        self._post = post
        self._give_up_after_s = settings.give_up_after_s
        self._timer = timer
        self.outbox: Outbox[tuple[Alert, float]] = Outbox(
            f"alerts.{name}", self._write, limit=settings.queue, batch=settings.queue, linger_s=LINGER_S,
            on_trouble=_trouble, pauses_s=PAUSES_S, rest_s=settings.pause_s,
        )  # fmt: skip

    def connect(self) -> None:
        """Begin to write; an address that is not understood is told now, and not with the first alert."""
        try:
            self._post.connect()
        except DataError as error:
            _trouble(self.outbox.name, str(error))
        self.outbox.start()

    def _write(self, waiting: Sequence[tuple[Alert, float]]) -> None:
        severity, title, text = digest([alert for alert, _ in waiting])
        try:
            self._post(severity, title, text)
        except StorageError as error:
            if self._timer() - waiting[-1][1] >= self._give_up_after_s:
                raise DataError(f"given up: {error}") from None
            raise


def secrets(settings: AlertsConfig) -> set[str]:
    """What no log may show of the destinations."""
    return {secret for _, _, url in settings.urls for secret in secrets_in(url.get_secret_value())}


def deliver(settings: AlertsConfig, alert: Alert) -> list[dict[str, Any]]:
    """Send one alert to every destination that hears it, now, and say how each fared: the test button.

    Each is a dictionary of `destination`, `kind`, `ok`, `seconds`, `problem`. Raises ConfigError where nobody hears it.
    """
    heard = [
        (f"alerts.{name}", url.get_secret_value())
        for least, name, url in settings.urls
        if reaches(alert.severity, least)
    ]
    if not heard:
        raise ConfigError(
            f"nobody hears alerts of severity {alert.severity}: set alerts.page_urls, alerts.warning_urls or alerts.info_urls"
        )
    return [_delivered(name, url, alert) for name, url in heard]


def _delivered(name: str, url: str, alert: Alert) -> dict[str, Any]:
    began, problem = time.monotonic(), ""
    try:
        Destination(name, url)(*digest([alert]))
    except (StorageError, DataError) as error:
        problem = str(error)
    return {
        "destination": name, "kind": scheme(url), "ok": not problem,
        "seconds": round(time.monotonic() - began, 3), "problem": problem,
    }  # fmt: skip


def _trouble(name: str, what: str) -> None:
    """Told on the outbox's own thread; the log is another destination."""
    with suppress(RuntimeError):  # the interpreter is ending
        logging.getLogger(__name__).warning("%s: %s", name, what)
