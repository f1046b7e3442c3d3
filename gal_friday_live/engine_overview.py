"""All that one screen shows of a running engine, as nested names and values: JSON-able, amounts as text, shares of one.

`account_now` values the account anew, so it belongs to what happens; `surroundings_now` only reads beside it. The last
part of a name says the unit: `_s`, `_ns`, `_mb`, `_share`.
"""

from collections.abc import Mapping
from typing import Any, Final

from gal_friday_core.portfolio import PortfolioState
from gal_friday_core.times import to_iso
from gal_friday_live.engine import Engine
from gal_friday_live.engine_view import orders_of
from gal_friday_live.risk_view import risk_of

MOST_ORDERS_SHOWN: Final = 50
LOOP_LAG: Final = "LOOP_LAG"
READINGS: Final[Mapping[str, str]] = {
    LOOP_LAG: "loop_lag_s", "MEMORY": "memory_mb", "DISK_FULL": "free_disk_mb", "CLOCK_OFFSET": "clock_offset_s",
    "STORAGE_DOWN": "database_silent_s", "MARKET_DATA_SILENT": "market_silent_s",
    "MARKET_LINE_DOWN": "market_line_down_s", "ACCOUNT_LINE_DOWN": "account_line_down_s",
}  # fmt: skip
"""The health watch's codes, as names with units."""


def state_now(engine: Engine) -> dict[str, Any]:
    """Whether it trades, and what keeps entries back."""
    return {
        "trading": engine.halt.state,
        "halted": engine.halt.halted,
        "halt_reason": engine.halt.reason,
        "blocks": engine.gate.blocks(),
        "connected": engine.ingestor.connected,
        "market_ended": engine.ingestor.ended,
        "pairs": dict(engine.ingestor.listings),
        "line_losses": engine.account_line.losses,
        "open_orders": len(engine.execution.blotter.open()),
    }


def account_now(engine: Engine) -> dict[str, Any]:
    """Account, positions, open orders and how close each limit is, of one instant."""
    state = engine.portfolio.state()
    blotter = engine.execution.blotter
    orders = orders_of(blotter, ended=False)
    return {
        "account": _account(state),
        "positions": {
            pair: {
                "quantity": str(held.quantity),
                "average_entry_price": str(held.average_entry_price),
                "price": str(held.mark_price),
                "market_value": str(held.market_value),
                "unrealized_pnl": str(held.unrealized_pnl),
                "protected_quantity": str(blotter.covered(pair)),
            }
            for pair, held in state.positions.items()
        },
        "orders": orders[-MOST_ORDERS_SHOWN:],
        "risk": risk_of(engine.risk, blotter),
    }


async def surroundings_now(engine: Engine) -> dict[str, Any]:
    """What it does, what it counted, and how it is."""
    return {
        "engine": _engine(engine),
        "counts": _counts(engine),
        "market": _market(engine),
        "bus": await _bus(engine),
        "health": _health(engine),
    }


def overview(account: Mapping[str, Any], around: Mapping[str, Any], **run: Any) -> dict[str, Any]:
    """Both as one; `run` names whose it is: mode, session, code."""
    return {**around, **account, "engine": {**run, **around["engine"]}}


def _account(state: PortfolioState) -> dict[str, Any]:
    return {
        "currency": state.quote_asset,
        "equity": str(state.total_equity),
        "cash": str(state.cash),
        "exposure": str(state.total_exposure),
        "realized_pnl": str(state.realized_pnl),
        "unrealized_pnl": str(state.unrealized_pnl),
        "fees": str(state.fees),
        "daily_drawdown": str(state.daily_drawdown),
        "weekly_drawdown": str(state.weekly_drawdown),
        "total_drawdown": str(state.total_drawdown),
    }


def _engine(engine: Engine) -> dict[str, Any]:
    blocks = engine.gate.blocks()
    return {
        "state": engine.monitoring.trading_state,
        "halted": engine.halt.halted,
        "halt_reason": engine.halt.reason,
        "halt_durable": engine.halt.durable,
        "blocks": blocks,
        "blocked_by": blocks[0]["why"] if blocks else None,
        "findings": [str(finding) for finding in engine.monitoring.findings],
        "time": to_iso(engine.clock.now_ns()),
        "series": [item.key for item in engine.series],
        "models": list(engine.prediction.trading),
        "override": engine.prediction.override_reason,
        "connected": engine.ingestor.connected,
        "market_ended": engine.ingestor.ended,
        "line_losses": engine.account_line.losses,
    }


def _counts(engine: Engine) -> dict[str, Any]:
    return {
        "bars": engine.ingestor.published,
        "predictions": engine.prediction.predictions,
        "proposed": engine.strategy.proposed,
        "approved": engine.risk.approved,
        "rejected": sum(engine.risk.rejected.values()),
        "rejected_by": dict(engine.risk.rejected),
        "orders": engine.execution.orders,
        "open_orders": len(engine.execution.blotter.open()),
        "unknown_orders": len(engine.execution.blotter.unanswered()),
        "fills": engine.portfolio.fills,
    }


def _market(engine: Engine) -> dict[str, Any]:
    now_ns = engine.clock.now_ns()
    return {
        item.pair: {
            "listing": engine.ingestor.listings.get(item.pair),
            "fault": engine.ingestor.fault(item.pair, now_ns),
        }
        for item in engine.series
    }


async def _bus(engine: Engine) -> dict[str, Any]:
    told = await engine.bus.get_queue_metrics()
    return {
        "delivered": told["delivered"],
        "waiting": sum(told["depth"].values()),
        "deepest": max(told["deepest"].values(), default=0),
        "dropped": told["dropped"],
        "superseded": told["superseded"],
        "failed": told["failed"],
        "handler_p50_ns": told["handler_p50_ns"],
        "handler_p99_ns": told["handler_p99_ns"],
        "handlers": told["handlers"],
    }


def _health(engine: Engine) -> dict[str, Any]:
    readings = engine.monitoring.health()["readings"]
    return {name: readings.get(code) for code, name in READINGS.items()}
