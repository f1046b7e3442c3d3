"""Fills into positions, each once, journalled as one record with position and cash."""

from collections.abc import Iterable

from gal_friday_core.external_trades import flows_of
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.portfolio import Applied, Duplicate, Portfolio, Position
from gal_friday_core.portfolio_records import FILL, fill_record
from gal_friday_live.funds_manager import FundsManager
from gal_friday_live.journal_writer import JournalWriter

FLAT = Position()


class PositionManager:
    """Books fills into the portfolio. `fills` counts those booked, `duplicates` those told twice.

    A fill on a pair that this engine does not trade, by somebody else, moves money but makes no position.
    """

    def __init__(
        self, portfolio: Portfolio, funds: FundsManager, writer: JournalWriter, pairs: Iterable[str] = ()
    ) -> None:
        self._portfolio = portfolio
        self._funds = funds
        self._writer = writer
        self._pairs = frozenset(pairs)
        self.fills = 0
        self.duplicates = 0

    def position(self, pair: str) -> Position:
        """What is held of a pair; all zeros where nothing is."""
        return self._portfolio.positions.get(pair, FLAT)

    def booked(self, execution_id: str, ts_ns: int) -> bool:
        """Whether the fill, of that time at the exchange, is in the books."""
        return self._portfolio.is_booked(execution_id, ts_ns)

    def settle(self, known_ns: int) -> None:
        """A comparison found everything booked that the exchange had until then."""
        self._portfolio.settle(known_ns)

    def book(self, report: ExecutionReport) -> Applied | None:
        """Book the fill that the report carries, once. Raises ContractError where it cannot be booked."""
        if report.execution_id is None:
            return None
        if not report.signal_id and report.timestamp_exchange < self._portfolio.started_ns:
            return None  # somebody else's, before the account was opened: it is in the opening balance
        known = self.booked(report.execution_id, report.timestamp_exchange)
        if self._is_foreign(report) and not known:
            self._book_foreign(report)
            return None
        self._funds.price(report.trading_pair, report.last_price, report.timestamp_exchange)
        booked = self._portfolio.apply(report)
        if booked is None or isinstance(booked, Duplicate):
            self.duplicates += 1
            return None
        self.fills += 1
        record = fill_record(self._portfolio, report, booked)
        self._writer.append(FILL, booked.execution_id, report.timestamp_exchange, record)
        return booked

    def _is_foreign(self, report: ExecutionReport) -> bool:
        return bool(self._pairs) and report.trading_pair not in self._pairs and not report.signal_id

    def _book_foreign(self, report: ExecutionReport) -> None:
        for flow in flows_of(report, self._funds.assets):
            self._funds.book(flow)
        if report.execution_id is not None:
            self._portfolio.executions[report.execution_id] = self._portfolio.now_ns
