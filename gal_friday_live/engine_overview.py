"""All that one screen shows of a running engine, as nested names and values: JSON-able, amounts as text, shares of one.

`account_now` values the account anew, so it belongs to what happens; `surroundings_now` only reads beside it. The last
part of a name says the unit: `_s`, `_ns`, `_mb`, `_share`. What a role of a split engine has not is not there.
"""

from collections.abc import Mapping
from typing import Any, Final

from gal_friday_core.portfolio import PortfolioState
from gal_friday_core.times import to_iso
from gal_friday_live.engine_view import orders_of
from gal_friday_live.observed import Observed
from gal_friday_live.risk_view import risk_of

MOST_ORDERS_SHOWN: Final = 50
LOOP_LAG: Final = "LOOP_LAG"
READINGS: Final[Mapping[str, str]] = {
    LOOP_LAG: "loop_lag_s", "MEMORY": "memory_mb", "DISK_FULL": "free_disk_mb", "CLOCK_OFFSET": "clock_offset_s",
    "STORAGE_DOWN": "database_silent_s", "MARKET_DATA_SILENT": "market_silent_s",
    "MARKET_LINE_DOWN": "market_line_down_s", "ACCOUNT_LINE_DOWN": "account_line_down_s",
}  # fmt: skip
"""The health watch's codes, as names with units."""


def state_now(engine: Observed) -> dict[str, Any]:
    """Whether it trades, and what keeps entries back."""
    execution = engine.execution
    told: dict[str, Any] = {
        "trading": engine.halt.state,
        "halted": engine.halt.halted,
        "halt_reason": engine.halt.reason,
        "blocks": engine.gate.blocks(),
        "connected": engine.ingestor.connected,
        "market_ended": engine.ingestor.ended,
        "pairs": dict(engine.ingestor.listings),
    }
    if execution is not None:
        told |= {
            "line_losses": engine.account_line.losses,
            "open_orders": len(execution.blotter.open()),
        }
    return told


def account_now(engine: Observed) -> dict[str, Any]:
    """Account, positions, open orders and how close each limit is, of one instant."""
    state = engine.portfolio.state()
    blotter = None if engine.execution is None else engine.execution.blotter
    told: dict[str, Any] = {
        "account": _account(state),
        "positions": {
            pair: {
                "quantity": str(held.quantity),
                "average_entry_price": str(held.average_entry_price),
                "price": str(held.mark_price),
                "market_value": str(held.market_value),
                "unrealized_pnl": str(held.unrealized_pnl),
                "protected_quantity": None if blotter is None else str(blotter.covered(pair)),
            }
            for pair, held in state.positions.items()
        },
    }
    if blotter is not None:
        told["orders"] = orders_of(blotter, ended=False)[-MOST_ORDERS_SHOWN:]
    if engine.risk is not None:
        told["risk"] = risk_of(engine.risk, blotter)
    return told


async def surroundings_now(engine: Observed) -> dict[str, Any]:
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


def _engine(engine: Observed) -> dict[str, Any]:
    blocks, prediction = engine.gate.blocks(), engine.prediction
    told: dict[str, Any] = {
        "state": engine.monitoring.trading_state,
        "halted": engine.halt.halted,
        "halt_reason": engine.halt.reason,
        "halt_durable": engine.halt.durable,
        "blocks": blocks,
        "blocked_by": blocks[0]["why"] if blocks else None,
        "findings": [str(finding) for finding in engine.monitoring.findings],
        "time": to_iso(engine.clock.now_ns()),
        "series": [item.key for item in engine.series],
        "connected": engine.ingestor.connected,
        "market_ended": engine.ingestor.ended,
    }
    if prediction is not None:
        told |= {"models": list(prediction.trading), "override": prediction.override_reason}
    if engine.execution is not None:
        told["line_losses"] = engine.account_line.losses
    return told


def _counts(engine: Observed) -> dict[str, Any]:
    told: dict[str, Any] = {"bars": engine.ingestor.published}
    if engine.prediction is not None:
        told["predictions"] = engine.prediction.predictions
    if engine.strategy is not None:
        told["proposed"] = engine.strategy.proposed
    if (risk := engine.risk) is not None:
        told |= {
            "approved": risk.approved,
            "rejected": sum(risk.rejected.values()),
            "rejected_by": dict(risk.rejected),
        }
    if (execution := engine.execution) is not None:
        told |= {
            "orders": execution.orders,
            "open_orders": len(execution.blotter.open()),
            "unknown_orders": len(execution.blotter.unanswered()),
        }
    return {**told, "fills": engine.portfolio.fills}


def _market(engine: Observed) -> dict[str, Any]:
    now_ns = engine.clock.now_ns()
    return {
        item.pair: {
            "listing": engine.ingestor.listings.get(item.pair),
            "fault": engine.ingestor.fault(item.pair, now_ns),
        }
        for item in engine.series
    }


async def _bus(engine: Observed) -> dict[str, Any]:
    told = await engine.bus.get_queue_metrics()
    return {
        "delivered": told["delivered"],
        "waiting": sum(map(int, told["depth"].values())),
        "deepest": max(told["deepest"].values(), default=0),
        "dropped": told["dropped"],
        "superseded": told["superseded"],
        "failed": told["failed"],
        "handler_p50_ns": told["handler_p50_ns"],
        "handler_p99_ns": told["handler_p99_ns"],
        "handlers": told["handlers"],
    }


def _health(engine: Observed) -> dict[str, Any]:
    readings = engine.monitoring.health()["readings"]
    return {name: readings.get(code) for code, name in READINGS.items()}
