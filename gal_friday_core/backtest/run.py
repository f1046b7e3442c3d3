"""Runs a backtest: scan to the next bar that matters, visit it, go on. `run` is the way in, `why_not` says where it cannot.

One portfolio over any number of pairs. The result holds what the engine over the same bars would have: orders,
reports, refusals and equity, equal to the last digit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import inf

import numpy as np

from gal_friday_core.backtest.account import Account, Derived
from gal_friday_core.backtest.equity import Equity
from gal_friday_core.backtest.forecast import Forecast, Served, forecast
from gal_friday_core.backtest.scan import DAY, ENTER, TOTAL, WEEK, run_on
from gal_friday_core.backtest.tape import UNWRITTEN, Market, Tape, tape_of
from gal_friday_core.backtest.trader import Seat, Trader
from gal_friday_core.config import Config
from gal_friday_core.drawdown import Peaks
from gal_friday_core.portfolio import Mark
from gal_friday_core.strategies.protocol import Strategy

_CENTS = 8
_MOST = 4e18
"""Worth, in cents, that the scan can count; beyond it every bar is visited."""
_PERIODS = ("daily", "weekly", "total")


@dataclass(frozen=True, slots=True, eq=False)
class Player:
    """A market, the strategy that trades it, and the model that the strategy listens to, if any.

    `forecast` may be given where it was made before, as by a sweep over settings that it does not depend on.
    """

    market: Market
    strategy: Strategy
    served: Served | None = None
    forecast: Forecast | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """What a run did. `visited` counts the bars that were more than scanned."""

    tape: Tape
    trader: Trader
    equity: Equity
    visited: int

    @property
    def account(self) -> Account:
        return self.trader.account


def run(
    config: Config, players: Sequence[Player], cash: Decimal, derived: Derived, tape: Tape | None = None
) -> Ran:
    """Trade every bar of the players' markets from `cash` of their quote currency on.

    `derived` names logical events, as `ports.Ids.derived` does. Raises DataError for bars that the features'
    kernel refuses, ContractError where two pairs have different quote currencies.
    """
    tape = tape or tape_of([player.market for player in players])
    seats = [
        Seat(
            player.market, player.strategy, player.served,
            player.forecast or forecast(player.market, player.strategy, player.served),
        )
        for player in players
    ]  # fmt: skip
    trader = Trader(config, seats, cash, tape.start_ns, derived)
    return _Run(tape, trader).through(cash)


class _Run:
    """The arrays that the scan reads, kept in step with the books between two visits."""

    def __init__(self, tape: Tape, trader: Trader) -> None:
        self._tape = tape
        self._trader = trader
        self._account = trader.account
        count, bars = len(tape.markets), len(tape)
        self._flags = np.empty(bars, np.uint8)
        for seat, places in zip(trader.seats, tape.rows, strict=True):
            self._flags[places] = np.where(seat.forecast.entries, ENTER, 0)
        self._bars = (tape.close_ns, tape.which, tape.low, tape.high, tape.close, self._flags)
        self._wanted = np.full(count, ENTER, np.uint8)
        self._low, self._high = np.full(count, -inf), np.full(count, inf)
        self._due = np.full(count, bars)
        self._held, self._values = np.zeros(count, np.int64), np.zeros(count, np.int64)
        ones = np.array([10 ** max(places, 0) for places in tape.decimals], np.int64)
        self._pairs = (
            self._wanted, self._low, self._high, self._due, self._held, self._values, ones,
        )  # fmt: skip
        self._total, self._peaks = np.zeros(1, np.int64), np.zeros(3, np.int64)
        self._periods, limits = np.zeros(3, np.int64), self._account.limits
        bounds = np.empty(3)
        bounds[DAY], bounds[WEEK] = float(limits.max_daily_drawdown), float(limits.max_weekly_drawdown)
        bounds[TOTAL] = float(limits.max_total_drawdown)
        self._books = (self._total, self._peaks, self._periods, bounds)
        self._curve = np.empty(bars, np.int64)
        self._dearest = [float(market.bars.high.max()) for market in tape.markets]
        self._visited = 0

    def through(self, cash: Decimal) -> Ran:
        """To the last bar; entries that wait then are cancelled, as at the end of every run."""
        tape, account, curve = self._tape, self._account, self._curve
        end, place = len(tape), 0
        self._read_books()
        while True:
            before = place
            place = run_on(self._bars, self._pairs, self._books, curve, before)
            if place > before:
                self._write_books(before, place)
            if place == end:
                break
            number = int(tape.which[place])
            seat = self._trader.seats[number]
            row = int(tape.row_of[place])
            self._trader.visit(seat, row, tape.bar(place), int(tape.close_ns[place]))
            self._visited += 1
            self._read_books()
            curve[place] = self._total[0]
            self._arm(number, seat)
            place += 1
        account.now.ns = int(tape.close_ns[-1])
        account.cancel_entries()
        ts = np.concatenate(([tape.start_ns], tape.close_ns))
        first = int(cash.scaleb(_CENTS).to_integral_value())
        return Ran(tape, self._trader, Equity(cash, ts, np.concatenate(([first], curve))), self._visited)

    def _write_books(self, first: int, end: int) -> None:
        """Tell the portfolio what the scan marked in bars [first, end)."""
        marks: dict[str, Mark] = {}
        latest = 0
        for number in np.flatnonzero(self._held).tolist():
            places = self._tape.rows[number]
            place = int(places[np.searchsorted(places, end) - 1])
            if place >= first:
                close_ns = int(self._tape.close_ns[place])
                pair = self._tape.markets[number].series.pair
                marks[pair] = Mark(self._tape.price(place), close_ns)
                latest = max(latest, close_ns)
        if not marks:
            return
        record = {
            name: [int(self._periods[which]), Decimal(int(self._peaks[which])).scaleb(-_CENTS)]
            for which, name in enumerate(_PERIODS)
        }
        self._account.portfolio.carry(marks, Peaks.from_record(record), latest)

    def _read_books(self) -> None:
        """Take over equity and peaks as the portfolio has them after a visit."""
        portfolio = self._account.portfolio
        self._total[0] = _cents(portfolio.equity)
        for which, (period, equity) in enumerate(portfolio.peaks.as_record().values()):
            self._periods[which], self._peaks[which] = period, _cents(equity)

    def _arm(self, number: int, seat: Seat) -> None:
        """What the scan must stop for in this pair from now on, and what it is to mark."""
        pair, places = seat.instrument.pair, self._tape.rows[number]
        position, watch = self._account.position(pair), self._account.exchange.watch(pair)
        self._low[number], self._high[number] = watch.low, watch.high
        held = position.quantity
        self._wanted[number] = 0 if held else ENTER
        self._held[number] = self._values[number] = 0
        self._due[number] = 0 if watch.next_bar else len(self._tape)
        if not held or watch.next_bar:
            return
        cents = held.scaleb(_CENTS)
        most = float(held) * self._dearest[number] * 1e8
        if cents != cents.to_integral_value() or self._tape.decimals[number] == UNWRITTEN or most > _MOST:
            self._due[number] = 0
            return
        self._held[number] = int(cents)
        self._values[number] = _cents(self._account.portfolio.worth(pair))
        row = seat.row + max(seat.strategy.earliest_exit - seat.bars_held, 1)
        if row < len(places):
            self._due[number] = places[row]


def _cents(amount: Decimal) -> int:
    """In units of the smallest amount that is booked, which it is a multiple of."""
    return int(amount.scaleb(_CENTS))
