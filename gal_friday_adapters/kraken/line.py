"""One connection to Kraken's public websocket v2, from its first message to its last.

It asks for the instruments, then for every channel of every pair; passes what comes on to the sink, each kind
through its own gate (books verified, trades by their ids, candles once final); and says of itself whether it
`stands`: everything granted, every book verified. It never waits: `check`, called often, does what is due.
"""

from collections.abc import Callable
from typing import Any

from gal_friday_adapters.kraken.books import Books
from gal_friday_adapters.kraken.market import Market
from gal_friday_adapters.kraken.subscriptions import Subscription, Subscriptions
from gal_friday_core.errors import ContractError
from gal_friday_core.kraken import wire
from gal_friday_core.payloads import MarketDataTrade
from gal_friday_core.ports import Connection, MarketSink

PING = b'{"method":"ping","req_id":0}'
HOPELESS = 8
"""A line on which one book fails so often in a row, or that says so many things in a row that nobody can read, is
given up."""

LIMBO = 4
"""A line that is alive and lacks something is given up after so many times the patience for an answer: an answer that
cannot be read is not given twice."""


class MarketLine:
    """Hears one connection (`ports.Listener`). `refusal` is set where the exchange says no for good."""

    def __init__(self, market: Market, sink: MarketSink, *, ended: Callable[[], None]) -> None:
        self._market = market
        self._sink = sink
        self._ended = ended
        self._counts = market.counts
        self._connection: Connection | None = None
        self._seen = 0
        self._nonsense = 0
        self._pinged = False
        patience = market.patience
        self.subscriptions = Subscriptions(self._send, market.timer, patience.answer_s)
        self.books = Books(
            sink, market.counts, depth=market.depth, lag_s=patience.lag_s, answer_s=patience.answer_s,
            clock=market.clock, timer=market.timer, resubscribe=self._renew_book, other=self._read,
        )  # fmt: skip
        self.on_message: Callable[[bytes], None] = self.books.hear
        self.heard = self._checked = self._stood = market.timer()
        self.closed: str | None = None
        self.refusal: str | None = None
        self._listed = False
        self._on: dict[type, Callable[[Any, int], None]] = {
            wire.BookMessage: self._on_strange_book,
            wire.TradeMessage: self._on_trades,
            wire.OhlcMessage: self._on_candles,
            wire.TickerMessage: self._on_ticker,
            wire.InstrumentMessage: self._on_instruments,
            wire.StatusMessage: self._on_status,
            wire.HeartbeatMessage: self._on_heartbeat,
            wire.Pong: self._on_heartbeat,
            wire.Acknowledgement: self._on_answer,
            wire.ErrorMessage: self._on_error,
            wire.OtherMessage: self._on_other,
        }

    @property
    def stands(self) -> bool:
        """Whether all that was wanted comes, and every book is verified."""
        return self._listed and self.subscriptions.all_granted and self.books.all_verified

    def opened(self, connection: Connection) -> None:
        self._connection = connection
        self.heard = self._checked = self._stood = self._market.timer()
        self.subscriptions.ask([Subscription("instrument")])

    def on_closed(self, reason: str) -> None:
        self.closed = self.closed or reason
        self._connection = None
        self._ended()

    def give_up(self, reason: str) -> None:
        """End the line from this side."""
        self.closed = self.closed or reason
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._ended()

    def check(self) -> None:
        """What the passing of time demands: an answer, a book, a final candle, a sign of life."""
        market = self._market
        now = market.timer()
        held_up = now - self._checked > market.patience.silence_s / 2
        self._checked = now
        if held_up:
            return  # the silence may be our own: first read what came meanwhile
        if market.counts.messages != self._seen:
            self._seen, self.heard = market.counts.messages, now
        silent_s = now - self.heard
        if silent_s >= market.patience.silence_s:
            self.give_up(f"silent for {silent_s:.2f} s")
            return
        if silent_s < market.patience.silence_s / 2:
            self._pinged = False
        elif not self._pinged:
            self._pinged = True
            self._send(PING)
        self.subscriptions.check()
        self.books.check()
        for candle in market.candles.expire(market.clock.now_ns()):
            self._counts.candles += 1
            self._sink.on_candle(candle)
        if why := self._hopeless(now):
            self.give_up(why)

    def _hopeless(self, now: float) -> str:
        """Why this line is not worth waiting for; empty where it is."""
        if self.stands:
            self._stood = now
        elif now - self._stood > LIMBO * self._market.patience.answer_s:
            return f"something that was asked for does not come in {now - self._stood:.0f} s"
        return "a book that never verifies" if self.books.failures > HOPELESS else ""

    def _read(self, raw: bytes, received_ns: int) -> None:
        try:
            message = wire.decode(raw)
        except ContractError as error:
            self._on_nonsense(raw, error)
            return
        self._nonsense = 0
        self._on[type(message)](message, received_ns)

    def _on_nonsense(self, raw: bytes, error: ContractError) -> None:
        """A message that cannot be read may have been any; the pair it names, if it does, is asked for anew."""
        self._counts.malformed += 1
        self._nonsense += 1
        self._market.say_once("malformed", f"{self._market.url}: {error}")
        for pair, channel in self._market.mentioned(raw):
            if channel == "book":
                self.books.fail(pair, "MALFORMED")
            else:
                self.subscriptions.renew(channel, pair, pause_s=self._market.patience.answer_s)
        if self._nonsense >= HOPELESS:
            self.give_up(f"{HOPELESS} messages in a row that are not Kraken's")

    def _on_strange_book(self, message: wire.BookMessage, received_ns: int) -> None:
        """A book whose text is not as Kraken writes it, or of a pair that nobody asked for."""
        del received_ns
        if message.symbol in self.books.books:
            self._counts.malformed += 1
            self.books.fail(message.symbol, "MALFORMED")
        else:
            self._unasked(message.symbol)

    def _on_trades(self, message: wire.TradeMessage, received_ns: int) -> None:
        by_pair: dict[str, list[wire.Trade]] = {}
        for trade in message.data:
            by_pair.setdefault(trade.symbol, []).append(trade)
        for pair, trades in by_pair.items():
            sequence = self._market.trades.get(pair)
            if sequence is None:
                self._unasked(pair)
                continue
            taken = sequence.snapshot if message.type == "snapshot" else sequence.update
            new, missing = taken(trades)
            self._counts.repeated_trades += len(trades) - len(new)
            if missing:
                self._counts.gaps += 1
                self._counts.missed_trades += max(missing, 0)
                self._sink.on_gap(pair, max(missing, 0))
            if new:
                self._counts.trades += len(new)
                self._sink.on_trades(pair, [self._payload(trade) for trade in new], received_ns)

    def _payload(self, trade: wire.Trade) -> MarketDataTrade:
        return MarketDataTrade(
            trading_pair=trade.symbol,
            exchange=self._market.venue,
            trade_id=str(trade.trade_id),
            side="BUY" if trade.side == "buy" else "SELL",
            price=trade.price,
            volume=trade.qty,
            timestamp_exchange=trade.timestamp,
        )

    def _on_candles(self, message: wire.OhlcMessage, received_ns: int) -> None:
        del received_ns
        tracker = self._market.candles
        for candle in message.data:
            for final in tracker.update(candle):
                self._counts.candles += 1
                self._sink.on_candle(final)
        self._counts.late_candles = tracker.late

    def _on_ticker(self, message: wire.TickerMessage, received_ns: int) -> None:
        del received_ns
        for ticker in message.data:
            self._market.tickers[ticker.symbol] = ticker

    def _on_instruments(self, message: wire.InstrumentMessage, received_ns: int) -> None:
        del received_ns
        market = self._market
        if message.type == "snapshot":
            market.instruments.clear()
        market.instruments.update((pair.symbol, pair) for pair in message.data.pairs)
        for pair in message.data.pairs:
            if pair.symbol in market.trades and market.statuses.get(pair.symbol) != pair.status:
                market.statuses[pair.symbol] = pair.status
                self._sink.on_listing(pair.symbol, pair.status)
        if self._listed:
            for pair in message.data.pairs:
                if self.books.outdated(pair):
                    self.give_up(f"the decimals of {pair.symbol} changed")
        else:
            self._begin()

    def _begin(self) -> None:
        """The instruments are known: ask for the market."""
        market = self._market
        if unlisted := [pair for pair in market.pairs if pair not in market.instruments]:
            self._refuse(f"it does not list {', '.join(unlisted)}")
        wanted = [item for item in market.wanted() if item.symbol in market.instruments]
        self._listed = True
        self.books.expect(market.instruments[item.symbol] for item in wanted if item.channel == "book")
        self.subscriptions.ask(wanted)

    def _refuse(self, reason: str) -> None:
        """Before the market was ever heard this is a wrong configuration; later the rest goes on without."""
        self._market.say_once(reason, f"{self._market.url}: {reason}")
        if not self._market.stood:
            self.refusal = reason
            self._ended()

    def _on_status(self, message: wire.StatusMessage, received_ns: int) -> None:
        del received_ns
        for status in message.data:
            if status.system != self._market.system:
                self._market.system = status.system
                self._sink.on_status(connected=True, system=status.system, reason="system status")

    def _on_heartbeat(self, message: object, received_ns: int) -> None:
        del message
        self._counts.heartbeats += 1
        self._sink.on_heartbeat(received_ns)

    def _on_answer(self, message: wire.Acknowledgement, received_ns: int) -> None:
        del received_ns
        if not message.success:
            self._counts.refusals += 1
        if refusal := self.subscriptions.answered(message):
            self._refuse(f"it refused {message.method}: {refusal}")

    def _on_error(self, message: wire.ErrorMessage, received_ns: int) -> None:
        del received_ns
        self._counts.refusals += 1
        self._market.say_once("error", f"Kraken says: {message.error}")

    def _on_other(self, message: wire.OtherMessage, received_ns: int) -> None:
        del received_ns
        self._counts.unknown += 1
        self._market.say_once("unknown", f"{self._market.url}: a message of unknown kind {message.name!r}")

    def _unasked(self, pair: str) -> None:
        self._counts.unasked += 1
        self._market.say_once("unasked", f"{self._market.url}: data of {pair!r}, which nobody asked for")

    def _renew_book(self, pair: str) -> None:
        self.subscriptions.renew("book", pair)

    def _send(self, message: bytes) -> None:
        if self._connection is not None:
            self._connection.send(message)
