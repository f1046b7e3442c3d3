"""What a run says of itself in figures: the same that the engine says of the same run."""

from typing import Any

from gal_friday_core.backtest.run import Ran


def summary_of(ran: Ran, *, override: str | None = None) -> dict[str, Any]:
    """JSON-able; money as strings. `override` is why a refused model trades."""
    account, seats = ran.account, ran.trader.seats
    state = account.portfolio.state(account.now.ns)
    skipped: dict[str, int] = {}
    for seat in seats:
        for code, count in seat.forecast.skipped.items():
            skipped[code] = skipped.get(code, 0) + count
    return {
        "series": [seat.market.series.key for seat in seats],
        "bars": len(ran.tape),
        "predictions": sum(seat.forecast.predictions for seat in seats),
        "skipped": skipped,
        "signals": {
            "proposed": ran.trader.proposed,
            "approved": account.approved,
            **account.rejected,
        },
        "orders": account.sent,
        "fills": account.fills,
        "final_equity": str(state.total_equity),
        "realized_pnl": str(state.realized_pnl),
        "fees": str(state.fees),
        "total_drawdown": str(state.total_drawdown),
        "open_positions": {pair: str(held.quantity) for pair, held in state.positions.items()},
        "model_ids": [seat.served.predictor.model_id for seat in seats if seat.served is not None],
        "override": override,
        "halted": account.halted,
        "halt_reasons": list(account.reasons),
    }
