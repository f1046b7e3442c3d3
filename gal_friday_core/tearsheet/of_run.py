"""The record of a run that `core.backtest` made."""

from gal_friday_core.backtest.run import Ran
from gal_friday_core.config import CostsConfig
from gal_friday_core.tearsheet.record import RunRecord


def record_of(ran: Ran, costs: CostsConfig) -> RunRecord:
    """`costs` are those that the run paid."""
    account = ran.account
    return RunRecord(
        bars={market.series.pair: market.bars for market in ran.tape.markets},
        curve=ran.equity.curve(),
        fills=[report for report in account.reports if report.execution_id is not None],
        entries={order.client_order_id: order for order in account.orders if order.side == "BUY"},
        costs=costs,
        notes=account.notes,
        history={market.series.pair: market.history for market in ran.tape.markets},
    )
