"""Time series to InfluxDB, or whatever takes its version 2 writes: `emit` never waits and never raises.

influxdb-client's own batching queues without bound and shares a thread, so its synchronous mode runs here behind
our own bounded queue and thread (`outbox`). It is imported on that thread, when the first points are written.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from pydantic import SecretStr

from gal_friday_adapters.outbox import Outbox, OutboxCounts
from gal_friday_core.errors import DataError, StorageError

QUEUE_LIMIT: Final = 50_000
BATCH: Final = 5_000
TIMEOUT_S: Final = 2.0
LINGER_S: Final = 1.0
"""A point is sent when a batch is full, or after this time."""

RETRYABLE_REFUSALS: Final = frozenset({408, 429})
"""Of the 4xx answers, those that say "later"; the others reject the batch for good."""

FieldValue = float | int | bool | str | Decimal


class Point(msgspec.Struct, frozen=True, gc=False):
    """One measurement at one time, as it was handed over."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, FieldValue]
    ts_ns: int


class InfluxSink:
    """Implements the `Metrics` port. `counts` says what became of the points; `invalid` of those written had nothing that can be written."""

    def __init__(
        self,
        url: str,
        *,
        org: str = "",
        bucket: str,
        token: SecretStr | None = None,
        limit: int = QUEUE_LIMIT,
        timeout_s: float = TIMEOUT_S,
        linger_s: float = LINGER_S,
        on_trouble: Callable[[str, str], None] | None = None,
    ) -> None:
        self.invalid = 0
        self._url = url
        self._org = org
        self._bucket = bucket
        self._token = token
        self._timeout_ms = round(timeout_s * 1000)
        self._client: Any = None
        self._api: Any = None
        self._outbox: Outbox[Point] = Outbox(
            "timeseries", self._write, limit=limit, batch=BATCH, linger_s=linger_s, on_trouble=on_trouble,
            release=self._release,
        )  # fmt: skip

    @property
    def counts(self) -> OutboxCounts:
        return self._outbox.counts

    @property
    def thread_id(self) -> int | None:
        return self._outbox.thread_id

    def start(self) -> None:
        self._outbox.start()

    def emit(
        self, measurement: str, tags: Mapping[str, str], fields: Mapping[str, FieldValue], ts_ns: int
    ) -> None:
        """Queue a point; the mappings are taken as they are at this moment."""
        self._outbox.put(Point(measurement, dict(tags), dict(fields), ts_ns))

    def close(self, deadline_s: float) -> bool:
        """Write what waits, for at most so long; False where points were lost."""
        return self._outbox.close(deadline_s)

    def _write(self, points: Sequence[Point]) -> None:
        lines = [line for point in points if (line := self._line(point))]
        if lines:
            self._send("\n".join(lines).encode())
        self.invalid += len(points) - len(lines)

    def _send(self, body: bytes) -> None:
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        try:
            self._writer().write(bucket=self._bucket, record=body)
        except ApiException as error:
            status = int(error.status or 0)
            said = f"{self._url} answered {status}: {' '.join(str(error.message or error.reason).split())}"
            if 400 <= status < 500 and status not in RETRYABLE_REFUSALS:
                raise DataError(f"{said}; check timeseries.org, bucket and token") from None
            raise StorageError(said) from None
        except (HTTPError, OSError) as error:
            raise StorageError(f"{self._url} cannot be reached: {type(error).__name__}") from None

    def _release(self) -> None:
        if self._client is not None:
            self._client.close()

    def _writer(self) -> Any:
        if self._api is None:
            from influxdb_client.client.influxdb_client import InfluxDBClient
            from influxdb_client.client.write_api import SYNCHRONOUS

            token = self._token.get_secret_value() if self._token else ""
            self._client = InfluxDBClient(
                self._url, token=token, org=self._org, timeout=self._timeout_ms, enable_gzip=True
            )
            self._api = self._client.write_api(write_options=SYNCHRONOUS)
        return self._api

    def _line(self, point: Point) -> str:
        """Line protocol, or nothing where no field has a value that can be written."""
        from influxdb_client.client.write.point import Point as Written

        written: Any = Written(point.measurement)  # type: ignore[no-untyped-call]  # it has no types
        written.time(point.ts_ns)
        for tag, text in point.tags.items():
            written.tag(tag, str(text))
        for name, value in point.fields.items():
            if not isinstance(value, float | Decimal) or math.isfinite(value):
                written.field(name, float(value) if isinstance(value, Decimal) else value)
        try:
            return str(written.to_line_protocol())
        except ValueError:  # a field of a kind that no time series has
            return ""
