"""What is looked at of whoever trades now: a whole engine, or the trader of a split one."""

from typing import Protocol

from gal_friday_core.config import RiskConfig
from gal_friday_live.bus import PubSubManager
from gal_friday_live.data_ingestor import DataIngestor
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.halt import HaltCoordinator
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.protection_keeper import ProtectionKeeper
from gal_friday_live.reconciliation_service import ReconciliationService
from gal_friday_live.trading_gate import TradingGate


class Limited(Protocol):
    """Whose limits are in force."""

    @property
    def limits(self) -> RiskConfig: ...


class Decides(Protocol):
    """Who approves, and the books that it does so by."""

    @property
    def bus(self) -> PubSubManager: ...
    @property
    def ingestor(self) -> DataIngestor: ...


class Trades(Protocol):
    """Who sends orders, and keeps what they bought."""

    @property
    def bus(self) -> PubSubManager: ...
    @property
    def halt(self) -> HaltCoordinator: ...
    @property
    def gate(self) -> TradingGate: ...
    @property
    def portfolio(self) -> PortfolioManager: ...
    @property
    def execution(self) -> ExecutionHandler: ...
    @property
    def protection(self) -> ProtectionKeeper: ...
    @property
    def reconciliation(self) -> ReconciliationService | None: ...
    @property
    def risk(self) -> Limited: ...
