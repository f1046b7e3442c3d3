"""The simulated venue behind the port of a real one: where paper trading and backtests send their orders."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from gal_friday_core.errors import ContractError
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport, MarketDataOHLCV
from gal_friday_core.ports import Clock, ReportHandler
from gal_friday_core.simulated_exchange import SimulatedExchange


class PaperExchange:
    """Delivers the simulated exchange's reports one after another, before the call that caused them returns."""

    def __init__(self, exchange: SimulatedExchange, clock: Clock) -> None:
        self.name = exchange.name
        self._exchange = exchange
        self._clock = clock
        self._handler: ReportHandler | None = None

    def on_report(self, handler: ReportHandler) -> None:
        self._handler = handler

    async def submit(self, order: Order) -> None:
        await self._deliver(self._exchange.submit(order))

    async def cancel(self, client_order_id: str) -> None:
        await self._deliver(self._exchange.cancel(client_order_id, self._clock.now_ns()))

    async def balances(self) -> Mapping[str, Decimal]:
        return self._exchange.balances()

    async def on_candle(self, candle: MarketDataOHLCV) -> None:
        reports = self._exchange.on_candle(candle)
        if reports:
            await self._deliver(reports)

    async def _deliver(self, reports: Sequence[ExecutionReport]) -> None:
        for report in reports:
            if self._handler is None:
                raise ContractError(f"{self.name}: reports have no receiver; start the engine before trading")
            await self._handler(report)
