"""Runs a backtest: scan to the next bar that matters, visit it, go on. `run` is the way in, `why_not` says where it cannot.

One portfolio over any number of pairs. The result holds what the engine over the same bars would have: orders,
reports, refusals and equity, equal to the last digit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import Any

import numpy as np

from gal_friday_core.backtest.account import FLAT, Account, Derived
from gal_friday_core.backtest.equity import Equity
from gal_friday_core.backtest.forecast import Forecast, Served, forecast
from gal_friday_core.backtest.scan import (
    BOOKS,
    DUE,
    ENTER,
    EQUITY,
    HELD,
    LATEST,
    MOVED,
    PAIR,
    PEAKS,
    PERIODS,
    UNIT,
    WANTED,
    WORTH,
    stops,
)  # fmt: skip
from gal_friday_core.backtest.tape import UNWRITTEN, Market, Tape, tape_of
from gal_friday_core.backtest.trader import Seat, Trader
from gal_friday_core.config import Config
from gal_friday_core.drawdown import Peak, Peaks
from gal_friday_core.money import CENTS_IN_ONE, UNITS, product
from gal_friday_core.portfolio import Mark
from gal_friday_core.strategies.protocol import Strategy

_CENTS = 8
_CENT = UNITS[_CENTS]
_MOST = 4e18
"""Worth, in cents, that the scan can count; beyond it every bar is visited."""


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
        self._tape, self._end = tape, len(tape)
        self._trader = trader
        self._account = trader.account
        count, bars = len(tape.markets), len(tape)
        flags = np.empty(bars, np.uint8)
        for number, seat in enumerate(trader.seats):
            tape.spread(number, seat.forecast.entries, flags)  # True is ENTER
        self._times = tape.times.data
        self._rows: Any = range(bars) if tape.row_of is None else tape.row_of.data
        self._bars = (tape.close_ns, tape.which, tape.low, tape.high, tape.close, flags)
        pairs, triggers = np.zeros((count, PAIR), np.int64), np.empty((count, 2))
        pairs[:, WANTED], pairs[:, DUE] = ENTER, bars
        pairs[:, UNIT] = [10 ** max(places, 0) for places in tape.decimals]
        triggers[:, 0], triggers[:, 1] = -inf, inf
        books, limits = np.zeros(BOOKS, np.int64), self._account.limits
        bounds = limits.max_daily_drawdown, limits.max_weekly_drawdown, limits.max_total_drawdown
        self._arrays = (pairs, triggers, books, np.array([float(bound) for bound in bounds]))
        # Single numbers are written through views: a tenth of the time that numpy takes for one.
        self._books: Any = books.data
        self._pairs: list[Any] = [row.data for row in pairs]
        self._triggers: list[Any] = [row.data for row in triggers]
        self._curve = np.empty(bars + 1, np.int64)
        self._dearest = [float(market.bars.high.max()) for market in tape.markets]
        self._held: dict[int, str] = {}
        self._peaks: tuple[Peak | None, ...] = (None, None, None)
        self._known = [0, 0, 0]
        self._equity: Decimal | None = None
        self._visited = 0

    def through(self, cash: Decimal) -> Ran:
        """To the last bar; entries that wait then are cancelled, as at the end of every run."""
        tape, trader, books, end = self._tape, self._trader, self._books, self._end
        curve = self._curve[1:]
        which, times, rows, marked, seats = tape.which.data, self._times, self._rows, curve.data, trader.seats
        first = 0
        self._read_books()
        for place in stops(self._bars, *self._arrays, curve):
            if place > first and self._held:
                self._write_books(first)
            if place == end:
                break
            number, first = which[place], place + 1
            trader.visit(seats[number], rows[place], times[first])
            self._visited += 1
            self._read_books()
            marked[place] = books[EQUITY]
            self._arm(number, seats[number])
        self._account.now.ns = times[end]
        self._account.cancel_entries()
        self._curve[0] = int(cash.scaleb(_CENTS).to_integral_value())
        return Ran(tape, trader, Equity(cash, tape.times, self._curve), self._visited)

    def _write_books(self, first: int) -> None:
        """Tell the portfolio what the scan marked from the bar `first` on."""
        tape, times, marks = self._tape, self._times, dict[str, Mark]()
        for number, pair in self._held.items():
            place = self._pairs[number][LATEST]
            if place >= first:
                price = tape.markets[number].closed(self._rows[place])[1]
                marks[pair] = Mark(price, times[place + 1])
        if not marks:
            return
        latest = max(mark.ts_ns for mark in marks.values())
        peaks = self._account.portfolio.peaks
        if self._books[MOVED]:
            peaks = Peaks.of(*(self._peak(which, peak) for which, peak in enumerate(peaks.each)))
        self._account.portfolio.carry(marks, peaks, latest, product(Decimal(self._books[EQUITY]), _CENT))

    def _peak(self, which: int, peak: Peak) -> Peak:
        """As the scan left it."""
        cents, period = self._books[PEAKS + which], self._books[PERIODS + which]
        if cents == self._known[which] and period == peak.period:
            return peak
        return Peak(peak.length_ns, period, product(Decimal(cents), _CENT))

    def _read_books(self) -> None:
        """Take over equity and peaks as the portfolio has them after a visit."""
        portfolio, books = self._account.portfolio, self._books
        equity = portfolio.equity
        if equity is self._equity:
            return  # nothing was booked, nor marked
        self._equity = equity
        books[EQUITY], books[MOVED] = int(product(equity, CENTS_IN_ONE)), 0
        peaks, known = portfolio.peaks, self._peaks
        if peaks.day is known[0] and peaks.week is known[1] and peaks.ever is known[2]:
            return
        self._peaks = peaks.each
        for which, peak in enumerate(self._peaks):
            if peak is not known[which]:
                books[PEAKS + which] = self._known[which] = _cents(peak.equity)
                books[PERIODS + which] = peak.period

    def _arm(self, number: int, seat: Seat) -> None:
        """What the scan must stop for in this pair from now on, and what it is to mark."""
        account, pair = self._account, self._pairs[number]
        watch = account.exchange.watch(seat.pair)
        seat.stands = watch.stands
        if number in self._held:
            del self._held[number]
        if watch.next_bar:
            pair[DUE] = pair[HELD] = 0
            return
        triggers = self._triggers[number]
        triggers[0], triggers[1] = watch.low, watch.high
        held = account.positions.get(seat.pair, FLAT).quantity
        if not held:
            pair[WANTED], pair[DUE], pair[HELD] = ENTER, self._end, 0
            return
        cents = self._countable(number, held)
        pair[WANTED], pair[DUE], pair[HELD] = 0, 0, cents
        if cents:
            self._held[number] = seat.pair
            pair[WORTH] = _cents(account.portfolio.worth(seat.pair))
            pair[DUE] = self._exit_due(number, seat)

    def _countable(self, number: int, held: Decimal) -> int:
        """What is held in 1e-8, or 0 where the scan cannot count it exactly."""
        scaled = product(held, CENTS_IN_ONE)
        cents = int(scaled)
        fits = float(held) * self._dearest[number] * 1e8 <= _MOST
        return cents if fits and scaled == cents and self._tape.decimals[number] != UNWRITTEN else 0

    def _exit_due(self, number: int, seat: Seat) -> int:
        """The bar at which the strategy may leave by itself."""
        return self._tape.place(number, seat.row + max(seat.strategy.earliest_exit - seat.bars_held, 1))


def _cents(amount: Decimal) -> int:
    """In units of the smallest amount that is booked, which it is a multiple of."""
    return int(product(amount, CENTS_IN_ONE))
