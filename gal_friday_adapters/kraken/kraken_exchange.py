"""Kraken as a venue that takes orders (`ports.Exchange`): websocket v2 first, REST where that line is down.

An order is sent once. Its bytes are handed to the private line before anything is awaited; where there is no
line, orders that open a position are refused (their fills and stops would happen unseen), and the others go by
REST. A cancel goes by either, and by the other where the first gave no answer: cancelling twice is cancelling
once. What became of orders arrives as reports, from `AccountStream`.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gal_friday_adapters.kraken.account_stream import AccountStream
from gal_friday_adapters.kraken.connection import PicowsTransport
from gal_friday_adapters.kraken.dead_man_switch import DeadManSwitch, SwitchRule
from gal_friday_adapters.kraken.executions_ledger import ExecutionsLedger, may_rest
from gal_friday_adapters.kraken.past_requests import requests
from gal_friday_adapters.kraken.patience import Patience, Retries
from gal_friday_adapters.kraken.private_keeper import PRIVATE_URL, LineEvents, PrivateKeeper
from gal_friday_adapters.kraken.private_line import PrivateLine
from gal_friday_adapters.kraken.rest import KrakenRest
from gal_friday_core.account import FillFacts, Flow, OrderFacts
from gal_friday_core.blotter import OrderRecord
from gal_friday_core.errors import ContractError, ExchangeError, OutcomeUnknownError
from gal_friday_core.kraken import order_requests
from gal_friday_core.kraken.exchange_time import ExchangeTime
from gal_friday_core.kraken.order_requests import OrderName
from gal_friday_core.kraken.private_wire import Response
from gal_friday_core.kraken.rate_counters import EngineCounters
from gal_friday_core.kraken.words import KRAKEN_TYPE
from gal_friday_core.orders import Amendment, Capabilities, Order
from gal_friday_core.payloads import MarketDataOHLCV
from gal_friday_core.ports import Clock, FlowHandler, LineHandler, ReportHandler, Transport
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.limits import Action, Tier

CAPABILITIES = Capabilities(
    attached_stop=True, attached_target=False, amends=True, order_types=frozenset(KRAKEN_TYPE)
)
ANSWER_MARGIN_S = 1.0
"""How much longer than an order's deadline its answer is waited for."""
GONE = "UNKNOWN_ORDER"
WORN_OUT = "SESSION"
"""The line's token is of no more use: what was asked was not done."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KrakenSettings:
    """`deadline_s` is the latest moment after sending at which an order may still be matched on arrival."""

    private_url: str = PRIVATE_URL
    deadline_s: float = 5.0
    tier: Tier = "starter"
    switch: SwitchRule | None = None


class _Placement(Struct, frozen=True):
    """An order in an error's words, put only where one is raised."""

    order: Order

    def __str__(self) -> str:
        order = self.order
        return f"{order.side} {order.quantity} {order.trading_pair} ({order.client_order_id})"


class KrakenExchange:
    """See the module's text. `timer`, `sleep` and `jitter` are time and chance; `clock` stamps deadlines."""

    capabilities = CAPABILITIES

    def __init__(
        self,
        rest: KrakenRest,
        clock: Clock,
        settings: KrakenSettings,
        *,
        name: str = "kraken",
        transport: Transport | None = None,
        patience: Patience | None = None,
        timer: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        patience = patience or Patience()
        self.name = name
        self.rest = rest
        self.counters = EngineCounters(settings.tier)
        self._settings = settings
        self._clock = clock
        self._timer = timer
        self._sleep = sleep
        self._ledger = ExecutionsLedger(name)
        self.time = ExchangeTime(clock.now_ns)
        self.stream = AccountStream(
            rest, self._ledger, self.counters,
            clock=clock, timer=timer, sleep=sleep, standing=lambda: self._keeper.standing,
        )  # fmt: skip
        self._keeper = PrivateKeeper(
            settings.private_url, rest.websocket_token, self.stream,
            LineEvents(stands=self.stream.stands, lost=self.stream.lost, tick=self.stream.tick),
            transport=transport or PicowsTransport(), patience=patience,
            retries=Retries(patience, timer=timer, jitter=jitter), timer=timer, sleep=sleep,
            time=self.time,
        )  # fmt: skip
        self._switch = self._dead_man_switch(settings.switch)
        self._tasks: list[asyncio.Task[None]] = []

    # The line

    def on_report(self, handler: ReportHandler) -> None:
        self.stream.on_report(handler)

    def on_line(self, handler: LineHandler) -> None:
        self.stream.on_line(handler)

    def on_flow(self, handler: FlowHandler) -> None:
        self.stream.on_flow(handler)

    @property
    def is_up(self) -> bool:
        """Whether the private line stands and everything it may have missed has been read and reported."""
        return self.stream.is_up

    @property
    def silent_s(self) -> float | None:
        """Seconds since the private line was last heard; None while there is none."""
        line = self._keeper.line
        return None if line is None else self._timer() - line.heard

    async def start(self) -> None:
        """Return once the stream of reports is up. Raises ExchangeError where Kraken or the key refuses."""
        work: list[Coroutine[Any, Any, None]] = [
            self._keeper.run(), self.stream.delivering(), self.stream.recovering(),
        ]  # fmt: skip
        if self._switch is not None:
            work.append(self._switch.run())
        self._tasks = [asyncio.create_task(job) for job in work]
        for task in self._tasks:
            task.add_done_callback(self._ended)
        first_up = asyncio.create_task(self.stream.first_up.wait())
        try:
            await asyncio.wait((first_up, *self._tasks), return_when=asyncio.FIRST_COMPLETED)
        finally:
            first_up.cancel()
        if not self.stream.first_up.is_set():
            try:
                await self.finished()
            finally:
                await self._release()

    async def finished(self) -> None:
        """Wait while everything runs, or until `stop`. Raises what ended it by itself: no report comes any more."""
        if self._tasks:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled():
                    task.result()

    async def stop(self) -> None:
        try:
            if self._switch is not None:
                await self._switch.off()
        except (ExchangeError, OutcomeUnknownError) as error:
            log.warning(
                "the dead man's switch could not be turned off, and will cancel all orders: %s", error
            )
        finally:
            await self._release()

    async def _release(self) -> None:
        self._keeper.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.rest.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Whatever ends one of the tasks by itself ends the stream of reports."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the private line to Kraken ended: %s", error)
            self.stream.lost(str(error))

    # Orders

    def adopt(self, orders: Iterable[OrderRecord]) -> None:
        asked: dict[str, list[tuple[int, int]]] = {}
        for record in orders:
            remember = self._ledger.expect if record.is_open else self._ledger.recall
            remember(record.order)
            if record.order.purpose != "EXTERNAL":
                asked.setdefault(record.order.trading_pair, []).extend(requests(record, self._clock.now_ns()))
        for pair, costs in asked.items():
            self.counters.resume(pair, costs, self._now())

    async def submit(self, order: Order) -> None:
        if self._ledger.knows(order.client_order_id):
            raise ContractError(f"order {order.client_order_id} has been sent already, and goes out once")
        sent = order if order.deadline is not None else replace(order, deadline=self._deadline())
        line = self._keeper.line
        what = _Placement(order)
        if order.purpose == "ENTRY":
            self._take_entry(sent, line, what)
        else:
            line = await self._turn(order.trading_pair, "add")
            self.counters.charge(order.trading_pair, "add", self._now())
        self._ledger.expect(sent)
        try:
            await self._place(self._by_their_clock(sent), line, what)
        except ExchangeError as error:
            self._ledger.forget(order.client_order_id)
            self._limited(error, order.trading_pair)
            raise
        self.stream.promised(order.client_order_id, ended=False)
        if self._switch is not None and may_rest(order):
            self._switch.look()

    def _take_entry(self, order: Order, line: PrivateLine | None, what: object) -> None:
        """Count an order that opens a position: it goes out now or not at all. Raises ExchangeError."""
        if line is None or not line.stands:
            raise ExchangeError(f"{what}: the private line to Kraken is down", "EXCHANGE_DISCONNECTED")
        if not self.counters.take(order.trading_pair, self._now()):
            raise ExchangeError(
                f"{what}: Kraken's limit for this pair is nearly reached", "ENGINE_RATE_LIMIT"
            )

    async def _place(self, order: Order, line: PrivateLine | None, what: object) -> None:
        if line is None or not line.is_open:
            await self.rest.add_order(order)
            return
        answer = self.stream.entry.ask(
            line, what, lambda token, number: order_requests.add_order(order, token=token, req_id=number)
        )
        try:
            await self.stream.entry.outcome(answer, what, self._answer_s)
        except OutcomeUnknownError:
            if self._ledger.record(order.client_order_id) is None:
                raise  # else its executions have told already that it is there
        except ExchangeError as error:
            if error.code != WORN_OUT or order.purpose == "ENTRY":
                raise  # an entry would leave after its last check
            await self.rest.add_order(order)

    async def amend(self, client_order_id: str, change: Amendment) -> None:
        record = self._ledger.record(client_order_id)
        if record is None or record.pair is None:
            raise ExchangeError(f"amend {client_order_id}: Kraken has not told of this order yet", GONE)
        what = f"amend {client_order_id}"
        if change.quantity is None:
            change = replace(change, quantity=record.quantity)
        line = await self._turn(record.pair, "amend", client_order_id)
        self.counters.charge(record.pair, "amend", self._now(), age_ns=self._age_ns(client_order_id))
        name, deadline = self._ledger.name(client_order_id), self._deadline() + self.time.ahead_ns()
        try:
            if line is None or not line.is_open:
                await self.rest.amend(name, change, deadline=deadline)
                return
            await self._asked(
                line, what,
                lambda token, number: order_requests.amend_order(
                    name, change, token=token, req_id=number, deadline=deadline
                ),
            )  # fmt: skip
        except ExchangeError as error:
            self._limited(error, record.pair)
            raise

    async def cancel(self, client_order_id: str) -> None:
        record = self._ledger.record(client_order_id)
        if record is not None and record.closed:
            raise ExchangeError(f"cancel {client_order_id}: it has ended already", GONE)
        line = self._keeper.line
        if record is not None and record.pair is not None:
            line = await self._turn(record.pair, "cancel", client_order_id)
            self.counters.charge(record.pair, "cancel", self._now(), age_ns=self._age_ns(client_order_id))
        try:
            await self._cancel(self._ledger.name(client_order_id), line, f"cancel {client_order_id}")
        except ExchangeError as error:
            if record is not None and record.pair is not None:
                self._limited(error, record.pair)
            if record is not None and error.code == GONE:
                self.stream.doubt(record.exchange_order_id)  # it ended, and nobody told us
            raise
        if record is not None:
            self.stream.promised(client_order_id, ended=True)

    async def _cancel(self, name: OrderName, line: PrivateLine | None, what: str) -> None:
        asked = line is not None and line.is_open
        if line is not None and asked:
            try:
                await self._asked(
                    line, what,
                    lambda token, number: order_requests.cancel_order([name], token=token, req_id=number),
                )  # fmt: skip
            except (ExchangeError, OutcomeUnknownError) as error:
                if not _ask_by_rest(error):
                    raise
                log.warning("%s; asking by REST", error)
            else:
                return
        try:
            await self.rest.cancel(name)
        except ExchangeError as error:
            if not (asked and error.code == GONE):
                raise  # else the first request was carried out, or it ended by itself: reports tell which

    async def cancel_all(self) -> int:
        line = self._keeper.line
        if line is not None and line.is_open:
            try:
                response = await self._asked(
                    line, "cancel all",
                    lambda token, number: order_requests.cancel_all(token=token, req_id=number),
                )  # fmt: skip
            except (ExchangeError, OutcomeUnknownError) as error:
                if not _ask_by_rest(error):
                    raise
                log.warning("%s; asking by REST", error)
            else:
                return response.cancelled or 0
        return await self.rest.cancel_all()

    # Asking

    async def balances(self) -> Mapping[str, Decimal]:
        """Asked of REST: the line's last word on them may have been lost, and nothing would tell."""
        return await self.rest.balances()

    async def find(self, client_order_id: str) -> OrderFacts | None:
        name = self._ledger.name(client_order_id)
        if name.client_order_id is None and name.exchange_order_id is not None:
            facts = await self._query(name.exchange_order_id)
        else:
            facts = await self.rest.find(client_order_id)
        if facts is None:
            return None
        self.stream.deliver(self._ledger.facts(facts))
        return self._ledger.identify(facts)

    async def _query(self, exchange_order_id: str) -> OrderFacts | None:
        try:
            found = await self.rest.query_orders([exchange_order_id])
        except ExchangeError as error:
            if error.code == GONE:
                return None
            raise
        return found[0] if found else None

    async def open_orders(self) -> Sequence[OrderFacts]:
        found = await self.rest.open_orders()
        for facts in found:
            self.stream.deliver(self._ledger.facts(facts))
        return [self._ledger.identify(facts) for facts in found]

    async def fills(self, since_ns: int) -> Sequence[FillFacts]:
        return [self._ledger.identify_fill(fill) for fill in await self.rest.fills(since_ns)]

    async def flows(self, since_ns: int) -> Sequence[Flow]:
        return await self.rest.flows(since_ns)

    async def on_candle(self, candle: MarketDataOHLCV) -> None:
        del candle  # Kraken sees its own market

    # How

    async def _asked(self, line: PrivateLine, what: str, build: Callable[[str, int], bytes]) -> Response:
        answer = self.stream.entry.ask(line, what, build)
        return await self.stream.entry.outcome(answer, what, self._answer_s)

    async def _turn(self, pair: str, action: Action, client_order_id: str = "") -> PrivateLine | None:
        """Wait until the engine's counter takes it; the line as it is then."""
        while wait_ns := self.counters.wait_ns(
            pair, action, self._now(), age_ns=self._age_ns(client_order_id)
        ):
            await self._sleep(wait_ns / SECOND_NS)
        return self._keeper.line

    def _limited(self, error: ExchangeError, pair: str) -> None:
        if error.code == "ENGINE_RATE_LIMIT":
            self.counters.exceeded(pair, self._now())

    def _age_ns(self, client_order_id: str) -> int:
        record = self._ledger.record(client_order_id) if client_order_id else None
        return 0 if record is None else max(self._clock.now_ns() - record.touched_at, 0)

    def _now(self) -> int:
        return int(self._timer() * SECOND_NS)

    def _deadline(self) -> int:
        return self._clock.now_ns() + int(self._settings.deadline_s * SECOND_NS)

    def _by_their_clock(self, order: Order) -> Order:
        """What reduces risk must arrive in time whatever our clock shows. An entry made by a clock that is wrong may
        well be refused as late.
        """
        if order.purpose == "ENTRY" or order.deadline is None:
            return order
        ahead_ns = self.time.ahead_ns()
        return replace(order, deadline=order.deadline + ahead_ns) if ahead_ns else order

    @property
    def _answer_s(self) -> float:
        return self._settings.deadline_s + ANSWER_MARGIN_S

    def _dead_man_switch(self, rule: SwitchRule | None) -> DeadManSwitch | None:
        if rule is None:
            return None
        return DeadManSwitch(
            rule, self._set_switch, needed=self._ledger.resting_entries, timer=self._timer, sleep=self._sleep,
            fired=lambda: self.stream.swept("the dead man's switch fired: every order was cancelled, stops too"),
        )  # fmt: skip

    async def _set_switch(self, timeout_s: int) -> None:
        """By the line while it stands, else by REST: as long as either works, we are not dead."""
        line = self._keeper.line
        if line is None or not line.is_open:
            await self.rest.cancel_all_after(timeout_s)
            return
        await self._asked(
            line, "dead man's switch",
            lambda token, number: order_requests.cancel_all_orders_after(timeout_s, token=token, req_id=number),
        )  # fmt: skip


def _ask_by_rest(error: ExchangeError | OutcomeUnknownError) -> bool:
    """Whether a cancel that the line failed at is worth asking for by REST: asking twice does no harm."""
    return isinstance(error, OutcomeUnknownError) or error.code == WORN_OUT
