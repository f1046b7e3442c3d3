"""Why one trade of a run happened: what the bar said, what was decided by, what the risk check reckoned, how it ended.

All of it is read from the run's own records; features and rule are computed again from the bars up to the decision,
which gives the same bits.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gal_friday_core.backtest.run import Ran
from gal_friday_core.backtest.trader import Seat
from gal_friday_core.candles import Candles, concatenate
from gal_friday_core.config import CostsConfig
from gal_friday_core.errors import DataError
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.streams import REACH, compute
from gal_friday_core.money import ZERO
from gal_friday_core.payloads import ExecutionReport, TradeSignalProposed
from gal_friday_core.risk.codes import Approved
from gal_friday_core.strategies.ema_cross import CrossStream
from gal_friday_core.strategies.protocol import EntryRule
from gal_friday_core.tearsheet.ambiguity import ambiguity
from gal_friday_core.tearsheet.costs import asked_price, slippage_of
from gal_friday_core.tearsheet.of_run import record_of
from gal_friday_core.tearsheet.record import RunRecord, closed_by
from gal_friday_core.times import to_iso
from gal_friday_core.trades import Trade

_ENDINGS = {
    "STOP": "a bar reached the stop",
    "TARGET": "a bar reached the target",
    "TIME": "the strategy left at the market",
    "LIMIT": "a limit order was filled",
}


def explained(ran: Ran, costs: CostsConfig, asked: str) -> dict[str, Any]:
    """Everything about one trade, JSON-able: by its number in the list of trades, from 1, or by its signal's id.

    Raises DataError where the run has no such trade.
    """
    record = record_of(ran, costs)
    number, trade = _chosen(record.trips.trades, asked)
    signal, verdict = _judged(ran, trade.signal_id)
    seat = next(seat for seat in ran.trader.seats if seat.instrument.pair == trade.trading_pair)
    fills = [fill for fill in record.fills if _belongs(fill, trade)]
    bars = seat.market.bars
    decided = closed_by(bars, signal.data_timestamp)
    gapped = _jumped(fills[-1], signal, record)
    ended = _ended_in(bars, trade, gapped=gapped)
    return {
        "number": number,
        "trade": trade.as_dict(),
        "decided": {
            "at": to_iso(signal.data_timestamp),
            "strategy": signal.strategy_id,
            "bar": _bar(bars, decided),
            "reference_price": str(signal.reference_price),
            "stop": _text(signal.proposed_sl_price),
            "target": _text(signal.proposed_tp_price),
            **_reason(seat, decided),
        },
        "features": _features(seat, decided),
        "risk": {"quantity": str(verdict.quantity), **verdict.checks},
        "fills": [_fill(fill, record) for fill in fills],
        "ended": {
            "at": to_iso(trade.exit_ns),
            "why": "the open had jumped over the stop" if gapped else _ENDINGS[trade.reason],
            "bar": _bar(bars, ended),
            "both_reached": trade.signal_id in ambiguity(record).signals,
        },
        "equity": {
            "before": _equity(ran, signal.data_timestamp),
            "after": _equity(ran, trade.exit_ns),
        },
    }


def _chosen(trades: Any, asked: str) -> tuple[int, Trade]:
    if asked.isdecimal() and 1 <= int(asked) <= len(trades):
        return int(asked), trades[int(asked) - 1]
    for number, trade in enumerate(trades, start=1):
        if trade.signal_id == asked:
            return number, trade
    raise DataError(
        f"no trade {asked!r}: this run closed {len(trades):,}; give a number from 1 on, as the page lists them, or a "
        "signal_id"
    )


def _judged(ran: Ran, signal_id: str) -> tuple[TradeSignalProposed, Approved]:
    for signal, verdict in ran.account.judged:
        if signal.signal_id == signal_id and isinstance(verdict, Approved):
            return signal, verdict
    raise DataError(f"the run kept no approved signal {signal_id}")


def _belongs(fill: ExecutionReport, trade: Trade) -> bool:
    """Of the pair, between the entry and the end; what fills at the same moment for the next trade has another signal."""
    inside = trade.entry_ns <= fill.timestamp_exchange <= trade.exit_ns
    others = (
        fill.side == "BUY" and fill.signal_id != trade.signal_id and fill.timestamp_exchange == trade.exit_ns
    )
    return fill.trading_pair == trade.trading_pair and inside and not others


def _jumped(last: ExecutionReport, signal: TradeSignalProposed, run: RunRecord) -> bool:
    """Whether a stop was filled at an open beyond it, and not at its trigger."""
    stop = signal.proposed_sl_price
    return (
        last.order_type == "STOP_LOSS"
        and stop is not None
        and asked_price(last, run.costs, run.notes) != stop
    )


def _ended_in(bars: Candles, trade: Trade, *, gapped: bool) -> int:
    """The row of the bar: what fills at an open is dated there, what happens inside at the end, or when it was recorded."""
    row, inside = closed_by(bars, trade.exit_ns), trade.exit_ns % bars.series.interval_ns
    return row + 1 if inside or gapped or trade.reason == "TIME" else row


def _reason(seat: Seat, row: int) -> dict[str, Any]:
    """What the strategy listened to: its own rule, or a model's probability against the threshold."""
    rule, told, served = seat.strategy.rule, seat.forecast, seat.served
    if rule is not None:
        return {"by": "rule", "rule": _rule(rule, seat, row)}
    if served is None or told.probability is None or told.volatility is None:
        return {"by": "strategy"}
    return {
        "by": "model",
        "model_id": served.predictor.model_id,
        "probability": float(told.probability[row]),
        "entry_threshold": served.entry_threshold,
        "volatility": float(told.volatility[row]),
    }


def _rule(rule: EntryRule, seat: Seat, row: int) -> dict[str, Any]:
    stream = rule.stream(seat.market.series.interval_ns)
    past = _past(seat, row, rule.reach)
    before = stream.extend(past[:-1])
    said: dict[str, Any] = {"fired_before": bool(before[-1]) if len(before) else None}
    averages = [_averages(stream)]
    fired = stream.extend(past[-1:])
    averages.append(_averages(stream))
    if averages[0] is not None:
        said |= {"averages_before": averages[0], "averages": averages[1]}
    return {"fires": bool(fired[-1]), **said}


def _averages(stream: object) -> dict[str, float] | None:
    if not isinstance(stream, CrossStream):
        return None
    fast, slow = stream.averages
    return {"fast": fast, "slow": slow}


def _features(seat: Seat, row: int) -> dict[str, float | None]:
    """Of the deciding bar, whether or not the strategy looks at them; None before enough bars were seen."""
    schema = CANDLES_V1 if seat.served is None else seat.served.predictor.schema
    values = compute(_past(seat, row, REACH), schema).values[-1]
    return {
        name: float(value) if value == value else None  # noqa: PLR0124 - NaN is the one number that is not itself
        for name, value in zip(schema.names, values, strict=True)
    }


def _past(seat: Seat, row: int, bars: int) -> Candles:
    """The last `bars` bars up to and with this one."""
    market = seat.market
    if row + 1 >= bars or not len(market.history):
        return market.bars[max(row + 1 - bars, 0) : row + 1]
    return concatenate([market.history, market.bars[: row + 1]])[-bars:]


def _bar(bars: Candles, row: int) -> dict[str, Any]:
    return {
        "opened_at": to_iso(int(bars.ts[row])),
        **{name: float(getattr(bars, name)[row]) for name in ("open", "high", "low", "close", "volume")},
    }


def _fill(fill: ExecutionReport, run: RunRecord) -> Mapping[str, Any]:
    return {
        "at": to_iso(fill.timestamp_exchange),
        "order": fill.client_order_id,
        "type": fill.order_type,
        "side": fill.side,
        "quantity": str(fill.last_quantity),
        "price": str(fill.last_price),
        "fee": str(fill.commission or ZERO),
        "slippage": str(slippage_of(fill, run.costs, run.notes)),
    }


def _equity(ran: Ran, moment_ns: int) -> str:
    """At the last point of the curve up to a moment."""
    place = int(ran.equity.ts.searchsorted(moment_ns, side="right")) - 1
    return str(ran.equity[max(place, 0)][1])


def _text(price: Decimal | None) -> str | None:
    return None if price is None else str(price)
