"""What the engine needs from the world: small protocols, implemented once for real and once simulated.

`gal_friday_live.wiring.build(config, ports)` takes one of each; a mode (live, paper, backtest, replay,
simulation) is nothing but a choice of these.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport, MarketDataOHLCV
from gal_friday_core.predictor import Predictor


class Clock(Protocol):
    """The only source of time."""

    def now_ns(self) -> int:
        """UTC now, in nanoseconds."""
        ...


class Ids(Protocol):
    """The only source of identifiers: derived where an id stands for a logical event, else unique."""

    def next_id(self) -> str:
        """A UUID for one event instance."""
        ...

    def derived(self, *parts: str) -> str:
        """The UUID of a logical event: the same parts always give the same id."""
        ...


class Feed(Protocol):
    """Market data in time order."""

    def candles(self) -> AsyncGenerator[MarketDataOHLCV, None]:
        """Closed bars, each once; ends when the feed has no more. Whoever leaves early closes the generator."""
        ...

    async def close(self) -> None: ...


ReportHandler = Callable[[ExecutionReport], Awaitable[None]]


class Exchange(Protocol):
    """A venue that takes orders and reports what became of them."""

    name: str

    def on_report(self, handler: ReportHandler) -> None:
        """Where reports go; set once, before the first order."""
        ...

    async def submit(self, order: Order) -> None:
        """Send one order; its fate arrives as reports. Raises ExchangeError where the outcome is a known refusal."""
        ...

    async def cancel(self, client_order_id: str) -> None: ...

    async def balances(self) -> Mapping[str, Decimal]:
        """Total of each asset, e.g. {'USD': Decimal('10000'), 'BTC': Decimal('0.5')}."""
        ...

    async def on_candle(self, candle: MarketDataOHLCV) -> None:
        """See the market before the engine does. A simulated venue matches its book here; a real one ignores it."""
        ...


class Models(Protocol):
    """The registry as the engine sees it."""

    async def production(self, model_type: str) -> Predictor | None:
        """The verified production model of a type, or None. Raises ArtifactError when its files do not verify."""
        ...

    async def by_id(self, model_id: str) -> Predictor: ...

    def promotions(self) -> AsyncIterator[str]:
        """Model types whose production model may have changed. A hint: re-read on each, and after reconnects."""
        ...


class Journal(Protocol):
    """The memory: append-only, idempotent by (kind, key)."""

    async def append(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        """Durable on return. A second append of the same kind and key changes nothing.

        Raises StorageError when the record could not be made durable.
        """
        ...

    def note(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        """Buffered: written in batches, for what may be lost with the process (predictions)."""
        ...

    async def flush(self) -> None: ...


class Metrics(Protocol):
    """Time series out; never blocks, never raises."""

    def emit(
        self, measurement: str, tags: Mapping[str, str], fields: Mapping[str, float], ts_ns: int
    ) -> None: ...
