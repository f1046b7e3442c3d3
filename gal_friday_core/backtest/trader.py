"""What strategies do at the bars that matter: the engine's `StrategyArbitrator`, without bus or event loop."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import nan
from typing import Any

from gal_friday_core.backtest.account import FLAT, Account, Derived
from gal_friday_core.backtest.forecast import Forecast, Served
from gal_friday_core.backtest.tape import Market
from gal_friday_core.config import Config
from gal_friday_core.instruments import Instrument
from gal_friday_core.payloads import ExecutionReport, PredictionGenerated, TradeSignalProposed
from gal_friday_core.portfolio import Position
from gal_friday_core.strategies.protocol import Proposal, Situation, Strategy
from gal_friday_core.times import SECOND_NS

_SIGNALLED = ("MARKET", "LIMIT")
"""Types of the orders that signals ask for."""


@dataclass(slots=True, eq=False)
class Seat:
    """One pair: its strategy, what is pending, and how long the position is held. `row` is that of its last visit;
    where nothing `stands` on the book, only the close of its next bar is asked for.
    """

    market: Market
    strategy: Strategy
    served: Served | None
    forecast: Forecast
    entry: str | None = None
    exit: str | None = None
    opened_at: int | None = None
    bars_held: int = 0
    row: int = -1
    stands: bool = False
    instrument: Instrument = field(init=False)
    pair: str = field(init=False)
    by_rule: bool = field(init=False)
    entries: Any = field(init=False)

    def __post_init__(self) -> None:
        self.instrument = self.market.instrument
        self.pair = self.instrument.pair
        self.by_rule = self.strategy.rule is not None
        self.entries = self.forecast.entries.data  # single numbers come out of views in a third of the time


class Trader:
    """`visit` takes a bar that matters; `proposed` counts signals."""

    def __init__(
        self,
        config: Config,
        seats: Sequence[Seat],
        cash: Decimal,
        start_ns: int,
        derived: Derived,
    ) -> None:
        self.seats = tuple(seats)
        self._by_pair = {seat.instrument.pair: seat for seat in seats}
        self._derived = derived
        self._max_age_ns = int(config.strategy.max_signal_age_s * SECOND_NS)
        self._scales = config.risk.sizing == "volatility_scaled"
        instruments = [seat.instrument for seat in seats]
        markets = {seat.instrument.pair: seat.market for seat in seats}
        recorded = {pair: market.recorded for pair, market in markets.items() if market.recorded is not None}
        self.account = Account(
            config, instruments, cash=cash, start_ns=start_ns, derived=derived, forget=self._forget_ended,
            recorded=recorded,
        )  # fmt: skip
        self.proposed = 0

    def visit(self, seat: Seat, row: int, close_ns: int) -> None:
        """The bar `row` of the seat's market: first the exchange, then the close, then the strategy."""
        account, pair = self.account, seat.pair
        account.now.ns = close_ns
        if seat.stands:
            bar = seat.market.bar(row)
            price = bar.close
            account.hear(account.exchange.on_candle(bar))
            if account.cancels_due:
                account.tell_halt()
        else:
            opened, price = seat.market.closed(row)
            account.exchange.pass_by(pair, opened, price)
        position = account.positions.get(pair, FLAT)
        if position.quantity:
            account.portfolio.mark(pair, price, close_ns)
            account.check_limits()  # equity changes by marks and fills only, and a fill was looked at when it was heard
            self._leave(seat, row, position, price, close_ns)
        else:
            seat.opened_at, seat.bars_held = None, 0
        seat.row = row
        if seat.opened_at is None and seat.entries[row]:
            self._enter(seat, row, price, close_ns)
        if account.cancels_due:
            account.tell_halt()

    def _leave(self, seat: Seat, row: int, position: Position, price: Decimal, close_ns: int) -> None:
        """Count the bars that the position is held, the one it was entered in included, and leave on time."""
        passed = row - seat.row
        seat.bars_held = seat.bars_held + passed if seat.opened_at == position.opened_at else 1
        seat.opened_at = position.opened_at
        if seat.bars_held < seat.strategy.earliest_exit:
            return
        situation = Situation(
            instrument=seat.instrument,
            reference_price=price,
            volatility=nan,
            probability=nan,
            entry_threshold=nan,
            quantity=position.quantity,
            bars_held=seat.bars_held,
            entry_pending=seat.entry is not None,
            exit_pending=seat.exit is not None,
        )
        proposal = seat.strategy.decide(situation)
        if proposal is not None:
            self._propose(seat, proposal, price, close_ns)

    def _enter(self, seat: Seat, row: int, price: Decimal, close_ns: int) -> None:
        by_rule, served, probability, volatility, threshold = seat.by_rule, seat.served, nan, nan, nan
        if served is not None and not by_rule:
            probability, volatility = seat.forecast.said(row)
            threshold = served.entry_threshold
        situation = Situation(
            instrument=seat.instrument,
            reference_price=price,
            volatility=volatility,
            probability=probability,
            entry_threshold=threshold,
            quantity=self.account.position(seat.pair).quantity,
            entry_pending=seat.entry is not None,
            exit_pending=seat.exit is not None,
            rule_fires=by_rule,
        )
        proposal = seat.strategy.decide(situation)
        if proposal is None or (by_rule and proposal.side != "BUY"):
            return
        if served is None or by_rule:
            self._propose(seat, proposal, price, close_ns)
            return
        cause = self._prediction(seat, served, probability, price, close_ns)
        asked = volatility if self._scales else nan
        self._propose(seat, proposal, price, close_ns, cause=cause, volatility=asked)

    def _prediction(
        self, seat: Seat, served: Served, probability: float, price: Decimal, close_ns: int
    ) -> PredictionGenerated:
        series = seat.market.series
        return PredictionGenerated(
            trading_pair=series.pair,
            exchange=series.venue,
            timestamp_prediction_for=close_ns,
            model_id=served.predictor.model_id,
            prediction_target=served.predictor.target,
            prediction_value=probability,
            reference_price=price,
        )

    def _propose(
        self,
        seat: Seat,
        proposal: Proposal,
        price: Decimal,
        moment: int,
        *,
        cause: PredictionGenerated | None = None,
        volatility: float = nan,
    ) -> None:
        series, strategy_id = seat.market.series, seat.strategy.id
        signal_id = self._derived(
            "signal", series.venue, series.pair, strategy_id, proposal.side, str(moment)
        )
        if proposal.side == "BUY":
            seat.entry = signal_id
        else:
            seat.exit = signal_id
        self.proposed += 1
        signal = TradeSignalProposed(
            trading_pair=series.pair,
            exchange=series.venue,
            signal_id=signal_id,
            side=proposal.side,
            entry_type=proposal.entry_type,
            strategy_id=strategy_id,
            reference_price=price,
            data_timestamp=moment,
            expires_at=moment + self._max_age_ns,
            proposed_entry_price=proposal.entry_price,
            proposed_sl_price=proposal.stop,
            proposed_tp_price=proposal.target,
            triggering_prediction=cause,
        )
        if self.account.propose(signal, volatility) is not None:
            _forget(seat, signal_id)

    def _forget_ended(self, report: ExecutionReport) -> None:
        """A signal is pending until its own order has ended; the protection it leaves behind does not count."""
        if report.order_type in _SIGNALLED:
            _forget(self._by_pair[report.trading_pair], report.signal_id)


def _forget(seat: Seat, signal_id: str) -> None:
    if seat.entry == signal_id:
        seat.entry = None
    if seat.exit == signal_id:
        seat.exit = None
