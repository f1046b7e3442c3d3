"""What the exchange tells of our account, in order and complete: one stream of reports, whatever the lines do.

Events of the private line go through the ledger and reach the handler one after another. After a lost line or a
gap the stream is *down*: REST is read until everything adds up, and only when all reports of that have been
handled it is *up* again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal

from gal_friday_adapters.kraken.backfill import MARGIN_NS, Backfill, Snapshot
from gal_friday_adapters.kraken.executions_ledger import ExecutionsLedger
from gal_friday_adapters.kraken.order_entry import OrderEntry
from gal_friday_adapters.kraken.rest import KrakenRest
from gal_friday_core.errors import ContractError, ExchangeError
from gal_friday_core.kraken.private_wire import Balance, BalancesMessage, ExecutionsMessage, Response
from gal_friday_core.kraken.rate_counters import EngineCounters
from gal_friday_core.money import ZERO
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.ports import Clock, FlowHandler, LineHandler, ReportHandler
from gal_friday_core.times import SECOND_NS

RETRY_S = 1.0
RETRY_MAX_S = 15.0
UNSETTLED_S = 2.0
"""An order of which fills are missing for so long, though the line stands, is looked up; so is one that an answer said
was taken or cancelled, and of which no event came.
"""

log = logging.getLogger(__name__)


class AccountStream:
    """A `PrivateSink`. `standing` says whether the private line has its snapshots now."""

    def __init__(
        self,
        rest: KrakenRest,
        ledger: ExecutionsLedger,
        counters: EngineCounters,
        *,
        clock: Clock,
        timer: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        standing: Callable[[], bool],
    ) -> None:
        self.entry = OrderEntry()
        self.ledger = ledger
        self.balances: dict[str, Decimal] = {}
        self.system = "unknown"
        self.is_up = False
        self.first_up = asyncio.Event()
        self._backfill = Backfill(rest, ledger, self.deliver)
        self._counters = counters
        self._clock = clock
        self._timer = timer
        self._sleep = sleep
        self._standing = standing
        self._handler: ReportHandler | None = None
        self._line_handlers: list[LineHandler] = []
        self._flow_handlers: list[FlowHandler] = []
        self._queue: asyncio.Queue[ExecutionReport | str] = asyncio.Queue()
        self._wanted = asyncio.Event()
        self._missed = False
        self._doubted: set[str] = set()
        self._promised: dict[str, tuple[float, bool]] = {}
        self._snapshot: Snapshot | None = None
        self._heard_ns: int | None = None
        self._unsettled_since: float | None = None
        self._why = "connected"

    def on_report(self, handler: ReportHandler) -> None:
        self._handler = handler

    def on_line(self, handler: LineHandler) -> None:
        self._line_handlers.append(handler)

    def on_flow(self, handler: FlowHandler) -> None:
        self._flow_handlers.append(handler)

    # What the line says

    def on_executions(self, message: ExecutionsMessage) -> None:
        if message.type == "snapshot":
            self._snapshot = self._seen(message)
        for event in message.data:
            try:
                self.deliver(self.ledger.hear(event))
            except ContractError as error:
                self.on_gap(str(error))
            if event.ratecount is not None and (pair := self.ledger.pair(event.order_id)) is not None:
                self._counters.heard(pair, event.ratecount, int(self._timer() * SECOND_NS))

    def on_balances(self, message: BalancesMessage) -> None:
        if message.type == "snapshot":
            self.balances = {entry.asset: _spot(entry) for entry in message.data}
        else:
            self.balances |= {
                entry.asset: entry.balance for entry in message.data if entry.wallet_type in {None, "spot"}
            }
            for entry in message.data:
                if entry.type not in {None, "trade"}:
                    self._tell_of_flow(f"{entry.type} of {entry.amount} {entry.asset}")

    def _tell_of_flow(self, what: str) -> None:
        for handler in self._flow_handlers:
            handler(what)

    def on_answer(self, response: Response) -> None:
        self.entry.answered(response)

    def on_threshold(self, maxratecount: int) -> None:
        if not self._counters.told_threshold(maxratecount, int(self._timer() * SECOND_NS)):
            log.warning(
                "Kraken allows this account %s points a pair, which is not what exchange.tier says",
                maxratecount,
            )

    def on_gap(self, reason: str) -> None:
        self._missed = True
        self._snapshot = None
        self._down(reason)

    def on_status(self, system: str) -> None:
        self.system = system

    # What the keeper of the line says

    def stands(self) -> None:
        """New snapshots are there: fill what lies between."""
        self._missed = True

    def lost(self, reason: str) -> None:
        self._snapshot = None
        self.entry.lost(reason)
        self._down(reason)

    def tick(self) -> None:
        """A look at what was missed, and at what does not add up while nothing seems to be wrong."""
        if self._promised:
            self._keep_promises(self._timer())
        if (self._missed or self._doubted) and self._standing():
            self._wanted.set()
        if self.is_up:
            self._heard_ns = self._clock.now_ns()
        now = self._timer()
        if not self.ledger.unresolved():
            self._unsettled_since = None
        elif self._unsettled_since is None:
            self._unsettled_since = now
        elif now - self._unsettled_since >= UNSETTLED_S:
            self._unsettled_since = now
            self._missed = True

    def promised(self, client_order_id: str, *, ended: bool) -> None:
        """An answer says that the order was taken, or has `ended`: an event must follow. The last of them may be lost
        without a gap that shows it.
        """
        self._promised[client_order_id] = (self._timer(), ended)

    def _keep_promises(self, now: float) -> None:
        for key, (since, ended) in list(self._promised.items()):
            record = self.ledger.record(key)
            if record is not None and (record.closed or not ended):
                del self._promised[key]
            elif now - since >= UNSETTLED_S:
                del self._promised[key]
                if record is None:
                    self._missed = True
                else:
                    self.doubt(record.exchange_order_id)

    def doubt(self, exchange_order_id: str) -> None:
        """This order is not as it seemed: look it up, without a word to anybody unless something was missed."""
        self._doubted.add(exchange_order_id)

    def swept(self, reason: str) -> None:
        """Something ended orders behind our back: nothing that was known of them holds until it is read anew."""
        self._why = reason
        self.on_gap(reason)

    # What follows

    def deliver(self, reports: list[ExecutionReport]) -> None:
        for report in reports:
            self._queue.put_nowait(report)

    async def delivering(self) -> None:
        """Hand reports over one after another. Raises what the handler raises."""
        while True:
            item = await self._queue.get()
            if isinstance(item, str):
                self._up(item)
            elif self._handler is None:
                raise ContractError("reports have no receiver; set on_report before start")
            else:
                await self._handler(item)
            self._queue.task_done()

    async def recovering(self) -> None:
        """Read what was missed whenever that is wanted, until it adds up."""
        pause_s = RETRY_S
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if not self._standing():
                continue  # wanted again when the line stands
            if await self._recovered():
                pause_s = RETRY_S
            else:
                await self._sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_MAX_S)
                self._missed = True

    async def _recovered(self) -> bool:
        """Whether what was missed is known now. A snapshot serves once: what is tried again asks REST for all."""
        missed, self._missed = self._missed, False
        doubted, self._doubted = list(self._doubted), set()
        snapshot, self._snapshot = self._snapshot, None
        try:
            if doubted:
                await self._backfill.look_up(doubted)
            if not missed:
                return True
            whole = await self._backfill.run(snapshot, self._heard_ns, self._clock.now_ns())
        except ExchangeError as error:
            log.warning("cannot read what the private line missed: %s", error)
            return False
        if whole and self._standing() and not self._missed and not self.is_up:
            self._queue.put_nowait(self._why)
        return whole

    def _seen(self, message: ExecutionsMessage) -> Snapshot:
        """What a snapshot covers; before anything of it is taken in."""
        fills = [event for event in message.data if event.exec_type == "trade"]
        heard_ns = self._heard_ns
        reaches = heard_ns is not None and any(
            event.timestamp < heard_ns - MARGIN_NS
            or (event.timestamp <= heard_ns and self.ledger.counted(event))
            for event in fills
        )
        return Snapshot(
            frozenset(event.order_id for event in message.data if event.exec_type != "trade"), reaches
        )

    def _up(self, reason: str) -> None:
        if self._standing() and not self._missed and not self.is_up:
            self.is_up = True
            self._why = "connected"
            self.first_up.set()
            for handler in self._line_handlers:
                handler(True, reason)

    def _down(self, reason: str) -> None:
        if self.is_up:
            self.is_up = False
            for handler in self._line_handlers:
                handler(False, reason)


def _spot(entry: Balance) -> Decimal:
    """What can be traded of an asset: what lies in the spot wallet."""
    spot = [wallet.balance for wallet in entry.wallets if wallet.type == "spot"]
    return sum(spot, ZERO) if entry.wallets else entry.balance
