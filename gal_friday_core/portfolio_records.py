"""The portfolio in the journal: what each record says, and the books made again from them.

FILL and CASH_FLOW carry the account as it stood after them, so that the last of each pair is enough; EQUITY
is noted with each bar while something is held, and may be lost with the process: what it adds is marks and
peaks. It may stand behind younger entries too, so `revision` says how many fills and flows it knew of.
Reading all three in the order written gives the books that wrote them.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gal_friday_core.account import Flow
from gal_friday_core.drawdown import Peaks
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.portfolio import Applied, Credited, Mark, Portfolio, Position

FILL, CASH_FLOW, EQUITY = "FILL", "CASH_FLOW", "EQUITY"
KINDS = (FILL, CASH_FLOW, EQUITY)

Record = dict[str, Any]


def fill_record(portfolio: Portfolio, report: ExecutionReport, booked: Applied) -> Record:
    """One record of a fill with position and cash after it."""
    return {
        "signal_id": report.signal_id,
        "client_order_id": report.client_order_id,
        "side": report.side,
        "order_type": report.order_type,
        "quantity": report.last_quantity,
        "price": report.last_price,
        "fee": report.commission,
        "fee_asset": report.commission_asset,
        "realized": booked.realized,
    } | _account(portfolio, booked.pair)


def flow_record(portfolio: Portfolio, flow: Flow, credited: Credited) -> Record:
    """One record of money that came or went; `value` in quote currency."""
    return {
        "kind": flow.kind,
        "asset": flow.asset,
        "amount": flow.amount,
        "value": credited.value,
    } | _account(portfolio, credited.pair)


def equity_record(portfolio: Portfolio) -> Record:
    """What marks have changed: the prices that positions are valued at, and the peaks."""
    return {
        "equity": portfolio.equity,
        "marks": {pair: [mark.price, mark.ts_ns] for pair, mark in portfolio.marks.items()},
        "peaks": portfolio.peaks.as_record(),
        "now_ns": portfolio.now_ns,
        "revision": portfolio.revision,
    }


class PortfolioRestorer:
    """Takes the journal's entries in the order written into a new `portfolio`; `finish` values it.

    `entries` counts those taken; with none the books are as new.
    """

    def __init__(self, portfolio: Portfolio) -> None:
        self.portfolio = portfolio
        self.entries = 0
        self._newest: Mapping[str, Any] | None = None
        self._account: Mapping[str, Any] | None = None
        self._pairs: dict[str, Mapping[str, Any]] = {}
        self._marks: dict[str, tuple[tuple[int, tuple[int, int]], str]] = {}

    def take(self, kind: str, key: str, record: Mapping[str, Any]) -> None:
        """Entries of other kinds are left alone. Amounts are read in `finish` only, from the last of each pair."""
        if kind not in KINDS:
            return
        self.entries += 1
        newest = self._newest is None or _age(record) >= _age(self._newest)
        if kind == EQUITY:
            for pair, (price, ts_ns) in record["marks"].items():
                self._mark(pair, price, ts_ns, record)
        else:
            if kind == FILL:
                self.portfolio.executions[key] = int(record["now_ns"])
            else:
                self.portfolio.flows.add(key)
            self._account, pair = record, record["pair"]
            if pair is not None:
                self._pairs[pair] = record
                self._mark(pair, record["mark_price"], record["mark_ns"], record)
        if newest:
            self._newest = record

    def finish(self) -> None:
        """Value what was taken in."""
        portfolio, newest = self.portfolio, self._newest
        if self._account is not None:
            portfolio.cash = Decimal(self._account["cash"])
            portfolio.deposits = Decimal(self._account["deposits"])
        portfolio.positions |= {pair: position_of(record) for pair, record in self._pairs.items()}
        portfolio.marks |= {
            pair: Mark(Decimal(price), ts_ns) for pair, ((ts_ns, _), price) in self._marks.items()
        }
        if newest is not None:
            portfolio.peaks = Peaks.from_record(newest["peaks"])
            portfolio.now_ns = int(newest["now_ns"])
            portfolio.revision = int(newest["revision"])
        portfolio.revalue()

    def _mark(self, pair: str, price: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        """Of two marks of one instant, that of the newer books; of the same books, the one written later."""
        when, known = (ts_ns, _age(record)), self._marks.get(pair)
        if known is None or when >= known[0]:
            self._marks[pair] = when, price


def position_of(record: Mapping[str, Any]) -> Position:
    """The position as it stood after a FILL or a CASH_FLOW of its pair."""
    return Position(
        quantity=Decimal(record["position_quantity"]),
        cost=Decimal(record["position_cost"]),
        realized=Decimal(record["position_realized"]),
        fees=Decimal(record["position_fees"]),
        opened_at=record["opened_at"],
    )


def _age(record: Mapping[str, Any]) -> tuple[int, int]:
    return record["revision"], record["now_ns"]


def _account(portfolio: Portfolio, pair: str | None) -> Record:
    """Cash and peaks, and of the pair, where it is one, position and mark."""
    record: Record = {
        "pair": pair,
        "cash": portfolio.cash,
        "deposits": portfolio.deposits,
        "peaks": portfolio.peaks.as_record(),
        "now_ns": portfolio.now_ns,
        "revision": portfolio.revision,
    }
    if pair is None:
        return record
    position, mark = portfolio.positions[pair], portfolio.marks[pair]
    return record | {
        "position_quantity": position.quantity,
        "position_cost": position.cost,
        "position_realized": position.realized,
        "position_fees": position.fees,
        "opened_at": position.opened_at,
        "mark_price": mark.price,
        "mark_ns": mark.ts_ns,
    }
