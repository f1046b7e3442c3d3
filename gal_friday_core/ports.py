"""What the engine needs from the world: small protocols, implemented once for real and once simulated.

`gal_friday_live.wiring.build(config, ports)` takes one of each; a mode (live, paper, backtest, replay,
simulation) is nothing but a choice of these.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.account import FillFacts, Flow, OrderFacts
from gal_friday_core.alerts import Alert
from gal_friday_core.blotter import OrderRecord
from gal_friday_core.book_layout import Columns
from gal_friday_core.drift.ladder import Restriction
from gal_friday_core.kraken.wire import PriceLevel
from gal_friday_core.orders import Amendment, Capabilities, Order
from gal_friday_core.payloads import ExecutionReport, MarketDataOHLCV, MarketDataTrade
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


class Book(Protocol):
    """One pair's order book as the market's listeners may read it (`gal_friday_core.book.OrderBook`).

    The columns are views of int64, best level first, scaled by ten to the decimals; they change with the
    next message, so copy what must outlive the call. While `verified` is false nothing in it may be used.
    """

    @property
    def pair(self) -> str: ...

    @property
    def depth(self) -> int: ...

    @property
    def price_decimals(self) -> int: ...

    @property
    def qty_decimals(self) -> int: ...

    @property
    def verified(self) -> bool: ...

    @property
    def timestamp_ns(self) -> int | None:
        """The exchange's time of the last message, where it told one."""
        ...

    @property
    def checksum(self) -> int: ...

    @property
    def bid_prices(self) -> NDArray[np.int64]: ...

    @property
    def bid_quantities(self) -> NDArray[np.int64]: ...

    @property
    def ask_prices(self) -> NDArray[np.int64]: ...

    @property
    def ask_quantities(self) -> NDArray[np.int64]: ...

    def columns(self) -> Columns:
        """The four columns at once: prices and quantities of bids, then of asks."""
        ...

    def levels(self, count: int | None = None) -> tuple[list[PriceLevel], list[PriceLevel]]:
        """The best bids and asks, exactly as sent."""
        ...


class MarketSink(Protocol):
    """Who hears the market. The `on_` calls are synchronous, come in the order of the wire and never block.

    `received_ns` is the clock when the message came. The client calls them; `DataIngestor` is the engine's
    sink, and passes each call on to the sinks it was given.
    """

    def on_book(self, pair: str, book: Book, received_ns: int, raw: bytes) -> None:
        """The book has taken in one message and its checksum holds. `raw` is that message as sent."""
        ...

    def on_trades(self, pair: str, trades: Sequence[MarketDataTrade], received_ns: int) -> None:
        """New trades, each once, by ascending trade id: what a snapshot repeats is left out."""
        ...

    def on_candle(self, candle: MarketDataOHLCV) -> None:
        """A closed bar, once, in time order for its pair."""
        ...

    def on_invalid(self, pair: str, reason: str) -> None:
        """The pair's book may not be used, nor anything made from it, until the next `on_book`.

        `reason` is a code: CHECKSUM, MALFORMED, STALE, DISCONNECTED, RESUBSCRIBING.
        """
        ...

    def on_gap(self, pair: str, missed: int) -> None:
        """That many trades of the pair were lost for good (0: unknown how many): what counts trades starts anew."""
        ...

    def on_heartbeat(self, received_ns: int) -> None:
        """The line is alive though it had nothing to tell: what was verified still stands."""
        ...

    def on_status(self, *, connected: bool, system: str, reason: str) -> None:
        """The line or the exchange changed. `system` as the exchange calls it: online, cancel_only, maintenance, …"""
        ...

    def on_listing(self, pair: str, status: str) -> None:
        """Which orders the exchange takes in the pair from now on, in its word: online, cancel_only, post_only,
        limit_only, reduce_only, maintenance, … Told before the pair's first book, and at each change.
        """
        ...

    async def drained(self) -> None:
        """Return when all that was handed over has been digested, every consequence drawn.

        A feed that moves a simulated clock awaits it before each step; a live feed need not.
        """
        ...


class Feed(Protocol):
    """Market data in time order, pushed into a sink."""

    @property
    def live(self) -> bool:
        """Whether there is an exchange at the other end, whose line and books must be sound, and not stored bars."""
        ...

    async def run(self, sink: MarketSink) -> None:
        """Until the feed ends or is closed. Raises ExchangeError where it cannot go on."""
        ...

    async def close(self) -> None:
        """End `run`; also before it began."""
        ...


class Connection(Protocol):
    """One open websocket."""

    def send(self, message: bytes) -> None:
        """Send one text message; lost without a word where the line is already down."""
        ...

    def close(self) -> None:
        """End it at once, without waiting for the other side. `Listener.on_closed` follows; twice is once."""
        ...


class Listener(Protocol):
    """Who hears one connection. Calls are synchronous, from the event loop; none comes after `on_closed`."""

    def on_message(self, raw: bytes) -> None:
        """One whole text message."""
        ...

    def on_closed(self, reason: str) -> None:
        """The line is down, whoever ended it; called once."""
        ...


class Transport(Protocol):
    """Opens websockets: real ones, or a recorded session's."""

    async def connect(self, url: str, listener: Listener) -> Connection:
        """Messages may reach the listener before this returns. Raises ExchangeError where nobody answers in time."""
        ...


ReportHandler = Callable[[ExecutionReport], Awaitable[None]]
LineHandler = Callable[[bool, str], None]
"""Hears whether the private line is up, and why it went down. Nothing told by it in between has been missed
once it is up again and the account was read anew."""
FlowHandler = Callable[[str], None]
"""Hears in words that money came or went without a trade."""


class Exchange(Protocol):
    """A venue that takes orders and reports what became of them.

    Reports of orders that are not ours have an empty `signal_id` and the client order id
    `external:<exchange order id>`. A fill may be reported twice and in any order: its `execution_id` tells.
    A conditional close that the venue made for an entry is reported under a client order id that begins with
    the entry's and `-SL`, and under the entry's signal.
    """

    name: str
    capabilities: Capabilities

    def on_report(self, handler: ReportHandler) -> None:
        """Where reports go; set once, before the first order."""
        ...

    def on_line(self, handler: LineHandler) -> None:
        """One more who hears of the private line going down and coming up; a simulated venue's never goes down."""
        ...

    def on_flow(self, handler: FlowHandler) -> None:
        """One more who hears of deposits and withdrawals as they happen, where the venue tells of them by itself."""
        ...

    async def start(self) -> None:
        """Connect; returns once orders can be sent. Raises ExchangeError where the venue or the keys refuse."""
        ...

    async def finished(self) -> None:
        """Return once nothing can end the reports by itself any more; after `start`.

        Raises what ended them for good: an ExchangeError whose code says why (EXCHANGE_REFUSED_KEY,
        EXCHANGE_LOCKED_OUT), or what the handler of a report raised.
        """
        ...

    async def stop(self) -> None:
        """Disconnect. Orders stay where they are; a dead man's switch is turned off."""
        ...

    def adopt(self, orders: Iterable[OrderRecord]) -> None:
        """Orders sent by earlier runs, open or ended, so that reports on them carry their ids. Before `start`."""
        ...

    async def submit(self, order: Order) -> None:
        """Send one order; its fate arrives as reports.

        Nothing is awaited before the bytes are handed to the line. Raises ExchangeError where it was refused
        for certain, OutcomeUnknownError where nobody knows.
        """
        ...

    async def amend(self, client_order_id: str, change: Amendment) -> None:
        """Change a resting order in place. Raises as `submit` does."""
        ...

    async def cancel(self, client_order_id: str) -> None:
        """Ask for an order's end; the end itself arrives as a report. Raises as `submit` does."""
        ...

    async def cancel_all(self) -> int:
        """Cancel every order of the account on every pair, protective stops too; how many there were."""
        ...

    async def balances(self) -> Mapping[str, Decimal]:
        """Total of each asset, e.g. {'USD': Decimal('10000'), 'BTC': Decimal('0.5')}."""
        ...

    async def find(self, client_order_id: str) -> OrderFacts | None:
        """One of our orders, open or ended. None: the venue does not know it now, which may change while it is
        on its way; only after its deadline and a margin does None mean that it never will.
        """
        ...

    async def open_orders(self) -> Sequence[OrderFacts]:
        """Every open order of the account, ours or not."""
        ...

    async def fills(self, since_ns: int) -> Sequence[FillFacts]:
        """Every fill of the account since then, oldest first, complete."""
        ...

    async def flows(self, since_ns: int) -> Sequence[Flow]:
        """Deposits, withdrawals and the like since then, oldest first."""
        ...

    async def on_candle(self, candle: MarketDataOHLCV) -> None:
        """See the market before the engine does. A simulated venue matches its book here; a real one ignores it."""
        ...


class Models(Protocol):
    """The registry as the engine sees it."""

    async def production(self, model_type: str) -> Predictor | None:
        """The verified production model of a type, or None. Raises ArtifactError when its files do not verify."""
        ...

    async def types(self, series: str) -> Sequence[str]:
        """Model types with a model in production or staging that was trained on the series, and its own."""
        ...

    async def shadows(self, model_type: str) -> Sequence[str]:
        """Ids of the models of a type in stage staging, to be scored and not traded; `by_id` reads each."""
        ...

    async def by_id(self, model_id: str) -> Predictor:
        """Any version, verified. Raises RegistryError, ArtifactError."""
        ...

    async def restrictions(self, model_id: str) -> Sequence[Restriction]:
        """Every step that drift took against a version, and every release, in the order they were written."""
        ...

    def promotions(self) -> AsyncIterator[str]:
        """Model types whose models in production or staging, or their restrictions, may have changed. A hint: re-read
        on each, and after reconnects.
        """
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


class Alerts(Protocol):
    """Somebody is told, wherever they are; never blocks, never raises."""

    def raise_alert(self, alert: Alert) -> None:
        """Log it and queue it for whoever hears its severity; one that only repeats another is held back."""
        ...
