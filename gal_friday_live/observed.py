"""What there is to look at in an engine. One role of a split engine has a part of it: what is another role's is None here."""

from collections.abc import Sequence
from typing import Protocol

from gal_friday_core.candles import Series
from gal_friday_core.ports import Clock
from gal_friday_live.account_line import AccountLine
from gal_friday_live.bus import PubSubManager
from gal_friday_live.data_ingestor import DataIngestor
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.halt import HaltCoordinator
from gal_friday_live.monitoring_service import MonitoringService
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.prediction_service import PredictionService
from gal_friday_live.risk_manager import RiskManager
from gal_friday_live.strategy_arbitrator import StrategyArbitrator
from gal_friday_live.trading_gate import TradingGate


class Observed(Protocol):
    """`execution` is there where orders are sent, `risk` where it is decided, `strategy` and `prediction` where it is proposed."""

    @property
    def series(self) -> Sequence[Series]: ...

    @property
    def bus(self) -> PubSubManager: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def halt(self) -> HaltCoordinator: ...

    @property
    def gate(self) -> TradingGate: ...

    @property
    def monitoring(self) -> MonitoringService: ...

    @property
    def portfolio(self) -> PortfolioManager: ...

    @property
    def ingestor(self) -> DataIngestor: ...

    @property
    def account_line(self) -> AccountLine: ...

    @property
    def execution(self) -> ExecutionHandler | None: ...

    @property
    def risk(self) -> RiskManager | None: ...

    @property
    def strategy(self) -> StrategyArbitrator | None: ...

    @property
    def prediction(self) -> PredictionService | None: ...
