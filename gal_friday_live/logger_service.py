"""`LoggerService`: one door for log lines and time series, which never blocks, never raises, and counts what it loses.

A line is redacted and copied where it is logged, then queued for each destination; threads of their own write it
out (`log_destinations`). Nothing here publishes on the bus: a `LOG_ENTRY` comes in and never goes out again.
"""

import asyncio
import logging
import os
import traceback
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec

from gal_friday_adapters import alerts
from gal_friday_adapters.credentials_file import secrets_of
from gal_friday_adapters.influx import FieldValue, InfluxSink
from gal_friday_adapters.outbox import Outbox
from gal_friday_adapters.paths import logs_dir
from gal_friday_adapters.postgres.connect import url_parts
from gal_friday_adapters.postgres.log_table import LogLine
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_core.events import Event, decode
from gal_friday_core.payloads import LogEntry
from gal_friday_core.ports import Clock
from gal_friday_core.redaction import Redactor
from gal_friday_live.bus import EnhancedEventBus
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.log_bridge import LogBridge
from gal_friday_live.log_destinations import destinations

SOURCE: Final = "LoggerService"
CLOSE_WITHIN_S: Final = 5.0
LEVELS: Final = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "WARN": 30, "ERROR": 40, "CRITICAL": 50, "FATAL": 50}
_NAMES: Final = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}


class LoggerService:
    """001 §2.8. Lines logged before `start` wait for it; those after `stop` are counted as dropped.

    `database_url` is that of the running database, the configured one by default; `run` names this process in
    each line; `secrets` are values to hide, besides the configured ones and the exchange's keys.
    Raises ConfigError where the configuration names a destination that this run does not have.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        event_bus: EnhancedEventBus | None = None,
        *,
        clock: Clock | None = None,
        run: str = "",
        directory: Path | None = None,
        database_url: str | None = None,
        console: TextIO | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        settings = config.config
        configured = _secret(settings.storage.database_url)
        url = database_url or configured
        self.redactor = Redactor((*_configured_secrets(config, {url, configured}), *secrets))
        self._bus = event_bus
        self._subscription: str | None = None
        self._clock = clock or SystemClock()
        self._least = LEVELS[settings.logging.level]
        self._level = settings.logging.level
        self._outboxes: list[Outbox[LogLine]] = list(
            destinations(
                settings.logging, run=run, directory=directory or logs_dir(settings), database_url=url,
                console=console, on_trouble=self._trouble,
            )
        )  # fmt: skip
        self._series = series_sink(settings, self._trouble)
        self._bridge = LogBridge(self.log, self._is_own_thread)

    async def start(self) -> None:
        """Begin to write, hear `LOG_ENTRY` and the standard library's loggers."""
        for outbox in self._outboxes:
            outbox.start()
        if self._series is not None:
            self._series.start()
        if self._bus is not None and self._subscription is None:
            self._subscription = self._bus.subscribe("LOG_ENTRY", self._on_log_entry)
        self._bridge.install(self._level)

    async def stop(self) -> None:
        """Write what waits, within `CLOSE_WITHIN_S`; what a hanging destination did not take is counted as dropped."""
        if self._bus is not None and self._subscription is not None:
            self._bus.unsubscribe(self._subscription)
            self._subscription = None
        self._bridge.remove()
        closing = [outbox.close for outbox in self._outboxes]
        if self._series is not None:
            closing.append(self._series.close)
        await asyncio.gather(*(asyncio.to_thread(close, CLOSE_WITHIN_S) for close in closing))

    async def handle_log_event(self, event: Event | Mapping[str, Any]) -> None:
        """Write the line that a `LOG_ENTRY` carries. Raises ContractError where a dictionary is not one."""
        if isinstance(event, Event):
            self._on_log_entry(event)
            return
        entry = decode("LOG_ENTRY", event["payload"])
        self._write_entry(entry, str(event.get("source_module", "")))

    def log(
        self,
        level: str,
        message: str,
        source_module: str,
        context: dict[str, Any] | None = None,
        exc_info: Any | None = None,
    ) -> None:
        """Queue one line for every destination. An unknown level counts as ERROR.

        `exc_info` as in the standard library: an exception, its triple, or True for the one being handled.
        """
        number = LEVELS.get(level.upper(), logging.ERROR)
        if number < self._least:
            return
        line = self._line(number, message, source_module, context, exc_info)
        for outbox in self._outboxes:
            outbox.put(line)

    def log_timeseries(
        self,
        measurement: str,
        tags: Mapping[str, str],
        fields: Mapping[str, FieldValue],
        timestamp: datetime | None = None,
    ) -> None:
        """Queue one point; now by default, and a time without a zone is UTC. Without `timeseries.url` it goes nowhere."""
        self.emit(measurement, tags, fields, _nanoseconds(timestamp) if timestamp else self._clock.now_ns())

    def emit(
        self, measurement: str, tags: Mapping[str, str], fields: Mapping[str, FieldValue], ts_ns: int
    ) -> None:
        """The `Metrics` port."""
        if self._series is not None:
            self._series.emit(measurement, tags, fields, ts_ns)

    def counts(self) -> dict[str, dict[str, int]]:
        """For each destination: offered, written, waiting, dropped, rejected, failures."""
        found = {outbox.name: msgspec.structs.asdict(outbox.counts) for outbox in self._outboxes}
        if self._series is not None:
            found["timeseries"] = msgspec.structs.asdict(self._series.counts) | {
                "invalid": self._series.invalid
            }
        return found

    @property
    def lost(self) -> int:
        """Lines and points dropped or rejected, over all destinations."""
        return sum(count["dropped"] + count["rejected"] for count in self.counts().values())

    def _on_log_entry(self, event: Event) -> None:
        self._write_entry(event.payload, event.source_module)

    def _write_entry(self, entry: Any, source_module: str) -> None:
        assert isinstance(entry, LogEntry)
        self.log(entry.level, entry.message, source_module, entry.context)

    def _line(
        self, number: int, message: str, source: str, context: Mapping[str, Any] | None, exc_info: Any
    ) -> LogLine:
        told = _traceback(exc_info)
        return LogLine(
            ts_ns=self._clock.now_ns(),
            level=_NAMES[number],
            source_module=self.redactor.text(source),
            message=self.redactor.text(message),
            context=self.redactor.plain(context) if context else None,
            exception=self.redactor.text(told) if told else None,
        )

    def _trouble(self, name: str, what: str) -> None:
        """A destination began to fail, recovered, or lost something: tell the others. On that one's thread."""
        line = self._line(logging.WARNING, f"{name}: {what}", SOURCE, {"destination": name}, None)
        for outbox in self._outboxes:
            if outbox.name != name:
                outbox.put(line)

    def _is_own_thread(self, thread: int) -> bool:
        series = self._series.thread_id if self._series else None
        return thread == series or any(thread == outbox.thread_id for outbox in self._outboxes)


def series_sink(settings: Config, on_trouble: Callable[[str, str], None] | None = None) -> InfluxSink | None:
    """Where measurements go, not started; None where nothing is configured. Raises ConfigError."""
    wanted = settings.timeseries
    if wanted.url is None:
        return None
    if find_spec("influxdb_client") is None:
        raise ConfigError("timeseries.url needs the package influxdb-client: install it, or unset the key")
    return InfluxSink(
        wanted.url, org=wanted.org, bucket=wanted.bucket, token=wanted.token, limit=wanted.queue,
        timeout_s=wanted.timeout_s, on_trouble=on_trouble,
    )  # fmt: skip


def _configured_secrets(config: ConfigurationManager, urls: Iterable[str | None]) -> list[str]:
    """Keys of exchange and buckets, the time series' token, where alerts go, passwords of the database's addresses."""
    found = [secret.get_secret_value() for secret in config.get_api_keys().values()]
    found += alerts.secrets(config.config.alerts)
    found += secrets_of(os.environ)
    if token := _secret(config.config.timeseries.token):
        found.append(token)
    for url in filter(None, urls):
        try:
            found.append(url_parts(url).get("password", ""))
        except StorageError:
            found.append(url)  # unreadable, so all of it may be the password
    return found


def _secret(value: Any) -> str | None:
    return None if value is None else str(value.get_secret_value())


def _traceback(exc_info: Any) -> str | None:
    """The exception as text, without the values of locals."""
    if exc_info is True:
        text = traceback.format_exc()
        return None if text.startswith("NoneType") else text
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    if isinstance(exc_info, BaseException):
        return "".join(traceback.format_exception(exc_info))
    return None


def _nanoseconds(moment: datetime) -> int:
    """Exact: through the integer microseconds that a datetime has."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
