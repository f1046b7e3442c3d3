"""Predictions in, trade proposals out: asks `core.strategy`, and remembers what it proposed (001 §2.4).

Entries are decided on predictions, or where the strategy's own rule fires; exits on bars, so that a position is left on time even where no
prediction could be made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Protocol

from gal_friday_core import barriers
from gal_friday_core.candles import Series
from gal_friday_core.config import Config
from gal_friday_core.drift.ladder import Restriction
from gal_friday_core.events import Event
from gal_friday_core.instruments import Instrument
from gal_friday_core.orders import is_terminal
from gal_friday_core.payloads import (
    ExecutionReport,
    FeaturesCalculated,
    MarketDataOHLCV,
    PredictionGenerated,
    SystemStateChange,
    TradeSignalProposed,
    TradeSignalRejected,
)
from gal_friday_core.portfolio import Position
from gal_friday_core.ports import Clock, Ids
from gal_friday_core.strategies.protection import volatility_of
from gal_friday_core.strategies.protocol import Proposal, Situation, Strategy
from gal_friday_core.strategies.registry import STRATEGIES, Factory, factory
from gal_friday_core.strategies.threshold import ThresholdStrategy
from gal_friday_core.times import SECOND_NS, interval_ns
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.entry_rules import EntryRules
from gal_friday_live.prediction_service import ActiveModel
from gal_friday_live.trades_under_way import TradeUnderWay

SOURCE = "StrategyArbitrator"
UNKNOWN = float("nan")


class Positions(Protocol):
    """What the strategy asks of the portfolio."""

    def position(self, pair: str) -> Position: ...


class ModelConditions(Protocol):
    """What the strategy, and the risk check, ask about the model that predicted."""

    def model(self, model_id: str) -> ActiveModel: ...

    def restriction(self, model_id: str) -> Restriction | None: ...


@dataclass(slots=True)
class _Desk:
    """One pair: what is pending, how long the position is held, and the strategy it was entered with."""

    instrument: Instrument
    strategy: Strategy
    entry: str | None = None
    exit: str | None = None
    opened_at: int | None = None
    bars_held: int = 0


class StrategyArbitrator:
    """`proposed` counts signals. `strategies` are those that `strategy.id` may name: more can be plugged in. `rules` say
    where the rule of one without a model fires.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        event_bus: PubSubManager,
        *,
        series: Iterable[Series],
        instruments: Iterable[Instrument],
        positions: Positions,
        models: ModelConditions,
        clock: Clock,
        ids: Ids,
        strategies: Mapping[str, Factory] = STRATEGIES,
        rules: EntryRules | None = None,
    ) -> None:
        settings = config.config
        self._bus = event_bus
        self._clock = clock
        self._ids = ids
        self._positions = positions
        self._models = models
        self._take_limits(settings)
        config.on_reload(self._take_limits)
        self._venues = {item.pair: item.venue for item in series}
        # One strategy a model: each trades the barriers that it was trained on.
        self._strategies: dict[str, Strategy] = {}
        self._make = partial(factory(settings.strategy.id, strategies), settings)
        self._default = self._make(settings.barriers)
        self._shared = settings.strategy
        self._rules = rules
        self._desks = {
            instrument.pair: _Desk(instrument, self._default)
            for instrument in instruments
            if instrument.pair in self._venues
        }
        self._subscriptions: list[str] = []
        self.proposed = 0

    def _take_limits(self, config: Config) -> None:
        self._max_age_ns = int(config.strategy.max_signal_age_s * SECOND_NS)

    async def start(self) -> None:
        barriers.warm()
        subscribe = self._bus.subscribe
        self._subscriptions = [
            subscribe("MARKET_DATA_OHLCV", self._on_candle),
            subscribe("PREDICTION_GENERATED", self._on_prediction),
            subscribe("TRADE_SIGNAL_REJECTED", self._on_rejected),
            subscribe("EXECUTION_REPORT", self._on_report),
            subscribe("SYSTEM_STATE_CHANGE", self._on_state),
        ]
        if self._rules is not None:
            self._subscriptions.append(subscribe("FEATURES_CALCULATED", self._on_features))

    def take_up(self, trades: Mapping[str, TradeUnderWay]) -> None:
        """Go on with the trades of an earlier run: each leaves by the rule and at the time that it was entered for."""
        for pair, trade in trades.items():
            desk = self._desks[pair]
            desk.opened_at, desk.bars_held = trade.opened_at, trade.bars_held
            if trade.barriers is None:
                continue
            by_model = self._default.rule is None
            # What a model entered leaves on time, also where a rule trades now.
            desk.strategy = (
                self._make(trade.barriers) if by_model else ThresholdStrategy(self._shared, trade.barriers)
            )

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    async def handle_prediction_event(self, event: Event) -> None:
        """Propose an entry where the strategy wants one."""
        self._on_prediction(event)

    def _on_prediction(self, event: Event) -> None:
        prediction = event.payload
        assert isinstance(prediction, PredictionGenerated)
        desk = self._desks.get(prediction.trading_pair)
        if desk is None or prediction.reference_price is None or desk.opened_at is not None:
            return
        active = self._models.model(prediction.model_id)
        strategy = self._strategies.get(prediction.model_id) or self._strategy_of(prediction.model_id, active)
        if not strategy.is_likely_enough(prediction.prediction_value, active.entry_threshold):
            return  # most predictions end here; what follows costs more than all of the above
        if not active.is_asked(prediction.associated_features):
            return  # likely enough, but of a bar of which the model has learnt nothing
        situation = Situation(
            instrument=desk.instrument,
            reference_price=prediction.reference_price,
            volatility=volatility_of(prediction.associated_features),
            probability=prediction.prediction_value,
            entry_threshold=active.entry_threshold,
            quantity=self._positions.position(prediction.trading_pair).quantity,
            entry_pending=desk.entry is not None,
            exit_pending=desk.exit is not None,
        )
        proposal = strategy.decide(situation)
        if proposal is not None:
            moment = prediction.timestamp_prediction_for
            desk.strategy = strategy
            self._propose(desk, proposal, situation.reference_price, moment, prediction)

    def _on_features(self, event: Event) -> None:
        """Propose an entry where the strategy's own rule fired at this close."""
        row = event.payload
        assert isinstance(row, FeaturesCalculated)
        assert self._rules is not None
        desk = self._desks.get(row.trading_pair)
        fires = self._rules.take(row.exchange, row.trading_pair, row.timestamp_features_for)
        if not fires or desk is None or desk.opened_at is not None:
            return
        situation = Situation(
            instrument=desk.instrument,
            reference_price=row.reference_price,
            volatility=UNKNOWN,
            probability=UNKNOWN,
            entry_threshold=UNKNOWN,
            quantity=self._positions.position(row.trading_pair).quantity,
            entry_pending=desk.entry is not None,
            exit_pending=desk.exit is not None,
            rule_fires=True,
        )
        proposal = self._default.decide(situation)
        if proposal is not None and proposal.side == "BUY":
            desk.strategy = self._default
            self._propose(desk, proposal, row.reference_price, row.timestamp_features_for)

    def _on_candle(self, event: Event) -> None:
        """Count the bars that a position is held, the one it was entered in included, and leave on time."""
        bar = event.payload
        assert isinstance(bar, MarketDataOHLCV)
        desk = self._desks.get(bar.trading_pair)
        if desk is None or not bar.closed:
            return
        position = self._positions.position(bar.trading_pair)
        if not position.quantity:
            desk.opened_at, desk.bars_held = None, 0
            return
        desk.bars_held = desk.bars_held + 1 if desk.opened_at == position.opened_at else 1
        desk.opened_at = position.opened_at
        proposal = desk.strategy.decide(self._held(desk, bar.close, position.quantity))
        if proposal is not None:
            moment = bar.timestamp_bar_start + interval_ns(bar.interval)
            self._propose(desk, proposal, bar.close, moment)

    def _strategy_of(self, model_id: str, active: ActiveModel) -> Strategy:
        made = self._strategies[model_id] = self._make(active.barriers)
        return made

    def _held(self, desk: _Desk, price: Decimal, quantity: Decimal) -> Situation:
        return Situation(
            instrument=desk.instrument,
            reference_price=price,
            volatility=UNKNOWN,
            probability=UNKNOWN,
            entry_threshold=UNKNOWN,
            quantity=quantity,
            bars_held=desk.bars_held,
            entry_pending=desk.entry is not None,
            exit_pending=desk.exit is not None,
        )

    def _propose(
        self,
        desk: _Desk,
        proposal: Proposal,
        price: Decimal,
        moment: int,
        prediction: PredictionGenerated | None = None,
    ) -> None:
        pair = desk.instrument.pair
        venue = self._venues[pair]
        strategy_id = desk.strategy.id
        signal_id = self._ids.derived("signal", venue, pair, strategy_id, proposal.side, str(moment))
        if proposal.side == "BUY":
            desk.entry = signal_id
        else:
            desk.exit = signal_id
        self.proposed += 1
        self._bus.emit(
            "TRADE_SIGNAL_PROPOSED",
            TradeSignalProposed(
                trading_pair=pair,
                exchange=venue,
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
                triggering_prediction=prediction,
            ),
            source=SOURCE,
        )

    def _on_rejected(self, event: Event) -> None:
        refusal = event.payload
        assert isinstance(refusal, TradeSignalRejected)
        self._forget(refusal.trading_pair, refusal.signal_id)

    def _on_report(self, event: Event) -> None:
        """A signal is pending until its own order has ended; the protection it leaves behind does not count."""
        report = event.payload
        assert isinstance(report, ExecutionReport)
        if report.order_type in {"MARKET", "LIMIT"} and is_terminal(report.order_status):
            self._forget(report.trading_pair, report.signal_id)

    def _forget(self, pair: str, signal_id: str) -> None:
        desk = self._desks.get(pair)
        if desk is None:
            return
        if desk.entry == signal_id:
            desk.entry = None
        if desk.exit == signal_id:
            desk.exit = None

    def _on_state(self, event: Event) -> None:
        """Liquidation, where it was asked for by name, goes the way of every exit."""
        change = event.payload
        assert isinstance(change, SystemStateChange)
        if change.halt_action != "LIQUIDATE_POSITIONS":
            return
        now = self._clock.now_ns()
        for pair, desk in self._desks.items():
            position = self._positions.position(pair)
            if position.quantity > 0 and desk.exit is None:
                wish = Proposal(side="SELL", reason="LIQUIDATION")
                self._propose(desk, wish, position.average_entry_price, now)
