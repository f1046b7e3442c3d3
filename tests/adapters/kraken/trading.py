"""KrakenExchange on a simulated Kraken whose market stands still, both in this event loop; and what it reports."""

import asyncio
import itertools
import time
import uuid
from contextlib import asynccontextmanager
from decimal import Decimal

from gal_friday_adapters.kraken.kraken_exchange import KrakenExchange, KrakenSettings
from gal_friday_adapters.kraken.nonce import Nonces
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_adapters.kraken.rest import kraken_rest
from gal_friday_adapters.kraken.rest_calls import Credentials
from gal_friday_adapters.kraken.rest_line import RestClock, RestPatience
from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from gal_friday_adapters.simulated_kraken.signing import ApiKey, Keyring
from gal_friday_core.blotter import OrderRecord
from gal_friday_core.orders import Order, is_terminal
from tests.adapters.simulated_kraken.running import KEY, SECRET, exchange

PAIR = "BTC/USD"
PATIENCE = Patience(retry_s=0.05, retry_max_s=0.4, answer_s=2.0)
REST_PATIENCE = RestPatience(timeout_s=2.0, retry_s=0.1, retry_max_s=0.5, limited_s=0.5)


class Now:
    def now_ns(self):
        return time.time_ns()


def recorded(placed, status="NEW"):
    """An order as the blotter of an earlier run had it."""
    return OrderRecord(
        placed, placed.quantity, placed.limit_price, placed.trigger_price, status, updated_at=time.time_ns()
    )


class Told:
    """Everything that an exchange reports, and waiting for it."""

    def __init__(self, exchange):
        self.reports = []
        self.lines = []
        self._more = asyncio.Condition()
        exchange.on_report(self.take)
        exchange.on_line(lambda up, reason: self.lines.append((up, reason)))

    async def take(self, report):
        async with self._more:
            self.reports.append(report)
            self._more.notify_all()

    async def until(self, wanted):
        async with asyncio.timeout(20), self._more:
            await self._more.wait_for(lambda: any(map(wanted, self.reports)))
        return next(filter(wanted, self.reports))

    async def ended(self, client_order_id):
        return await self.until(
            lambda report: report.client_order_id == client_order_id and is_terminal(report.order_status)
        )

    def of(self, client_order_id):
        return [report for report in self.reports if report.client_order_id == client_order_id]

    def fills(self, client_order_id=None):
        return [
            report
            for report in self.reports
            if report.execution_id is not None and client_order_id in {None, report.client_order_id}
        ]


async def until(holds):
    """Look until it holds."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - what is looked at belongs to the exchange, which tells nobody
            await asyncio.sleep(0.01)


_numbers = itertools.count(1)


def order(side="BUY", kind="LIMIT", quantity="0.01", **fields):
    """An order with a fresh UUID; prices as text."""
    prices = (
        "limit_price",
        "trigger_price",
        "stop_price",
        "display_quantity",
        "trailing_offset",
        "limit_offset",
    )
    number = next(_numbers)
    return Order(
        client_order_id=str(uuid.UUID(int=number + 2**80)),
        signal_id=f"signal-{number}",
        trading_pair=PAIR,
        side=side,
        order_type=kind,
        quantity=Decimal(quantity),
        created_at=time.time_ns(),
        purpose=fields.pop("purpose", "ENTRY" if side == "BUY" else "EXIT"),
        **{name: Decimal(value) if name in prices else value for name, value in fields.items()},
    )


def served(faults="", seed=1):
    """A simulated Kraken that is ready to start."""
    return SimulatedKraken(exchange(faults, seed), Keyring([ApiKey(KEY, SECRET, account=KEY)]))


def client(kraken, *, keys=(KEY, SECRET), private_url=None, engine_clock=None, **settings):
    """A KrakenExchange of the account of a running simulated Kraken."""
    clock = RestClock(now_ns=time.time_ns, timer=time.monotonic, jitter=lambda: 0.5)
    rest = kraken_rest(
        kraken.url, Credentials(*keys), clock=clock, nonce=Nonces(time.time_ns).next, tier="pro",
        patience=REST_PATIENCE,
    )  # fmt: skip
    return KrakenExchange(
        rest, engine_clock or Now(),
        KrakenSettings(private_url=private_url or f"{kraken.socket_url}/v2", tier="pro", **settings),
        patience=PATIENCE,
    )  # fmt: skip


@asynccontextmanager
async def trading(faults="", seed=1, **settings):
    """(simulated Kraken, started KrakenExchange, what it told); faults begin once it has started."""
    async with served(seed=seed) as kraken:
        traded = client(kraken, **settings)
        told = Told(traded)
        await traded.start()
        for fault in filter(None, faults.split(",")):
            kind, _, rate = fault.partition("=")
            kraken.exchange.faults.set(kind, float(rate))
        try:
            yield kraken, traded, told
        finally:
            await traded.stop()
