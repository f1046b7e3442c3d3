"""Kraken's REST as the trading engine uses it: the account, its history, and orders where the websocket cannot.

Every method raises ExchangeError, with Kraken's reason as its `code`, where it was refused for certain or a read
came to nothing, and OutcomeUnknownError where a change was sent and nobody knows whether it was carried out.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from gal_friday_adapters.kraken.rest_calls import Credentials, RestCalls
from gal_friday_adapters.kraken.rest_line import Intent, RestClock, RestLine, RestPatience
from gal_friday_adapters.kraken.rest_memory import RestMemory
from gal_friday_core.account import FillFacts, Flow, OrderFacts
from gal_friday_core.errors import ContractError, ExchangeError, OutcomeUnknownError
from gal_friday_core.instruments import Instrument
from gal_friday_core.kraken import order_requests, rest_shapes
from gal_friday_core.kraken.error_codes import Refusal, refusal
from gal_friday_core.kraken.names import PairNames
from gal_friday_core.kraken.order_requests import OrderName
from gal_friday_core.kraken.rest_shapes import OrderShape, PairShape
from gal_friday_core.orders import Amendment, Order
from gal_friday_core.payloads import Nanoseconds
from gal_friday_core.times import SECOND_NS, from_iso
from gal_friday_core.venue.limits import Tier

PAGE = 50
MOST_PAGES = 20
"""Of closed orders searched for one."""
_Answer = TypeVar("_Answer")
_Row = TypeVar("_Row")


class KrakenRest:
    """One account over REST. Names of pairs and assets are this engine's throughout."""

    def __init__(self, line: RestLine) -> None:
        self._line = line
        self._pairs: dict[str, PairShape] = {}
        self._names: PairNames | None = None
        self._listing = asyncio.Lock()

    async def close(self) -> None:
        await self._line.close()

    # What is public

    async def server_time_ns(self) -> Nanoseconds:
        """Kraken's clock, to the second."""
        answer = await self._public("Time", rest_shapes.ServerTime)
        return rest_shapes.nanoseconds(answer.unixtime)

    async def system_status(self) -> str:
        """online, maintenance, cancel_only or post_only."""
        return (await self._public("SystemStatus", rest_shapes.SystemStatus)).status

    async def instruments(self) -> dict[str, Instrument]:
        """Every pair that can be traded, by its name, as listed now."""
        names = await self._listed()
        return {
            names.symbol(rest_id): rest_shapes.instrument(names.symbol(rest_id), shape)
            for rest_id, shape in self._pairs.items()
            if shape.wsname
        }

    async def pair_name(self, pair: str) -> str:
        """What REST calls a pair, such as XBTUSD."""
        try:
            return (await self._names_for(set())).rest(pair)
        except ContractError as error:
            raise ExchangeError(str(error), "UNKNOWN_PAIR") from error

    # The account

    async def ask(self, method: str, fields: Mapping[str, str] | None = None) -> msgspec.Raw:
        """The raw result of a private call that changes nothing."""
        return await self._line.private(method, fields)

    async def balances(self) -> dict[str, Decimal]:
        """Total of each asset, what open orders hold included."""
        return rest_shapes.balances(await self._private("Balance", dict[str, Decimal]))

    async def open_orders(self) -> list[OrderFacts]:
        """Every open order of the account, whoever placed it."""
        return await self._facts((await self._private("OpenOrders", rest_shapes.OpenOrders)).open)

    async def query_orders(self, order_ids: Sequence[str]) -> list[OrderFacts]:
        """Orders by their exchange ids, open or ended. Raises ExchangeError where one is unknown."""
        found: dict[str, OrderShape] = {}
        for start in range(0, len(order_ids), PAGE):
            query = {"txid": ",".join(order_ids[start : start + PAGE])}
            found |= await self._private("QueryOrders", dict[str, OrderShape], query)
        return await self._facts(found)

    async def find(self, client_order_id: str) -> OrderFacts | None:
        """One of our orders, open or ended; None where Kraken does not know it (yet)."""
        query = {"cl_ord_id": order_requests.client_id(client_order_id)}
        found = (await self._private("OpenOrders", rest_shapes.OpenOrders, query)).open
        facts = _named(await self._facts(found), client_order_id)
        return facts or await self._find_closed(client_order_id, query)

    async def _find_closed(self, client_order_id: str, query: Mapping[str, str]) -> OrderFacts | None:
        """Among the orders that ended. Should Kraken not heed the id, every page is searched: nothing is guessed."""
        searched = 0
        async for page in self._pages("ClosedOrders", rest_shapes.ClosedOrders, SECOND_NS, query):
            facts = _named(await self._facts(page), client_order_id)
            if facts is not None or not page:
                return facts
            searched += 1
            if searched == MOST_PAGES:
                raise ExchangeError(
                    f"order {client_order_id} is not among the newest {MOST_PAGES * PAGE} closed orders: "
                    "whether Kraken ever had it cannot be told",
                    "NOT_FOUND_IN_TIME",
                )
        return None

    async def closed_orders(self, since_ns: Nanoseconds) -> list[OrderFacts]:
        """Orders that ended since then, oldest first, complete."""
        pages = self._pages("ClosedOrders", rest_shapes.ClosedOrders, since_ns, {"closetime": "close"})
        found = {order_id: shape async for page in pages for order_id, shape in page.items()}
        facts = [order for order in await self._facts(found) if (order.closed_at or since_ns) >= since_ns]
        return sorted(facts, key=lambda order: (order.closed_at or 0, order.exchange_order_id))

    async def fills(self, since_ns: Nanoseconds) -> list[FillFacts]:
        """Every fill of the account since then, oldest first, complete."""
        asked = {"consolidate_taker": "false"}  # else REST merges fills that the websocket tells one by one
        pages = self._pages("TradesHistory", rest_shapes.TradesHistory, since_ns, asked)
        found = {trade_id: shape async for page in pages for trade_id, shape in page.items()}
        names = await self._names_for({shape.pair for shape in found.values()})
        fills = _valued(found, lambda trade_id, shape: rest_shapes.fill_facts(trade_id, shape, names))
        kept = [fill for fill in fills if fill.timestamp >= since_ns]
        return sorted(kept, key=lambda fill: (fill.timestamp, fill.execution_id))

    async def flows(self, since_ns: Nanoseconds) -> list[Flow]:
        """Deposits, withdrawals and the like since then, oldest first, complete."""
        pages = self._pages("Ledgers", rest_shapes.Ledgers, since_ns)
        found = {ledger_id: entry async for page in pages for ledger_id, entry in page.items()}
        flows = [flow for ledger_id, entry in found.items() if (flow := rest_shapes.flow(ledger_id, entry))]
        kept = [flow for flow in flows if flow.timestamp >= since_ns]
        return sorted(kept, key=lambda flow: (flow.timestamp, flow.flow_id))

    async def fee_rates(self, pair: str) -> tuple[Decimal, Decimal]:
        """What this account pays now as (taker, maker), as fractions of the traded value."""
        query = {"pair": await self.pair_name(pair)}
        volume = await self._private("TradeVolume", rest_shapes.TradeVolume, query)
        taker, maker = (
            next(iter((table or {}).values()), None) for table in (volume.fees, volume.fees_maker)
        )
        if taker is None:
            raise ExchangeError(f"Kraken TradeVolume tells no fee for {pair}", "NOT_KRAKEN")
        return taker.fee / 100, (maker or taker).fee / 100

    async def websocket_token(self) -> str:
        """A token for one private websocket connection, to be used within its 15 minutes. Asked for once."""
        method = "GetWebSocketsToken"
        return _told(await self._line.private(method, intent="LINE"), rest_shapes.Token, method).token

    # Orders

    async def add_order(self, order: Order, *, validate: bool = False) -> str:
        """Place one order; its exchange id, empty where it was only to be validated. Never sent twice."""
        pair = await self.pair_name(order.trading_pair)
        form = order_requests.add_order_form(order, pair, validate=validate)
        intent: Intent = "PLACE" if order.purpose == "ENTRY" else "PROTECT"
        added = _changed(
            await self._line.private("AddOrder", form, intent=intent), rest_shapes.Added, "AddOrder"
        )
        if not added.txid and not validate:
            raise OutcomeUnknownError(f"Kraken AddOrder gave order {order.client_order_id} no id: query it")
        return added.txid[0] if added.txid else ""

    async def add_batch(self, orders: Sequence[Order], *, validate: bool = False) -> list[str | Refusal]:
        """Place 2 to 15 orders of one pair; for each in turn its exchange id, or why it was refused."""
        pair = await self.pair_name(orders[0].trading_pair) if orders else ""
        body = order_requests.add_batch_body(orders, pair, validate=validate)
        raw = await self._line.private("AddOrderBatch", body, intent="PLACE", as_json=True)
        added = _changed(raw, rest_shapes.BatchAdded, "AddOrderBatch")
        if len(added.orders) != len(orders):
            raise OutcomeUnknownError(
                f"Kraken AddOrderBatch answered {len(added.orders)} of {len(orders)} orders"
            )
        return [refusal(entry.error) if entry.error else entry.txid or "" for entry in added.orders]

    async def amend(self, name: OrderName, change: Amendment, *, deadline: Nanoseconds | None = None) -> str:
        """Change a resting order in place; the id of the amendment."""
        form = order_requests.amend_form(name, change, deadline=deadline)
        raw = await self._line.private("AmendOrder", form, intent="PLACE")
        return _changed(raw, rest_shapes.Amended, "AmendOrder").amend_id

    async def cancel(self, name: OrderName) -> int:
        """How many orders were cancelled. Raises ExchangeError with code UNKNOWN_ORDER where it is not open."""
        return (await self._cancel("CancelOrder", rest_shapes.Count, order_requests.cancel_form(name))).count

    async def cancel_all(self) -> int:
        """Cancel every order of the account on every pair, protective stops too; how many there were."""
        return (await self._cancel("CancelAll", rest_shapes.Count, {})).count

    async def cancel_all_after(self, timeout_s: int) -> Nanoseconds | None:
        """Set the dead man's switch; when it would fire, None where it is off. 0 turns it off."""
        form = order_requests.cancel_all_after_form(timeout_s)
        answer = await self._cancel("CancelAllOrdersAfter", rest_shapes.SwitchSet, form)
        return None if answer.triggerTime == "0" else from_iso(answer.triggerTime)

    # How

    async def _public(self, method: str, wanted: type[_Answer]) -> _Answer:
        return _told(await self._line.public(method), wanted, method)

    async def _private(
        self, method: str, wanted: type[_Answer], fields: Mapping[str, str] | None = None
    ) -> _Answer:
        return _told(await self._line.private(method, fields), wanted, method)

    async def _pages(
        self,
        method: str,
        wanted: "type[rest_shapes.Page[_Row]]",
        since_ns: Nanoseconds,
        fields: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Mapping[str, _Row]]:
        """Newest first. What comes in between two pages moves the rest on: rows come twice, none is left out."""
        received = 0
        query = {"start": _before(since_ns)} | dict(fields or {})
        while True:
            page = await self._private(method, wanted, query | {"ofs": str(received)})
            yield page.rows
            received += len(page.rows)
            if len(page.rows) < PAGE or (page.count is not None and received >= page.count):
                return

    async def _cancel(self, method: str, wanted: type[_Answer], form: Mapping[str, str]) -> _Answer:
        return _changed(await self._line.private(method, form, intent="CANCEL"), wanted, method)

    async def _facts(self, found: Mapping[str, OrderShape]) -> list[OrderFacts]:
        names = await self._names_for({shape.descr.pair for shape in found.values()})
        return _valued(found, lambda order_id, shape: rest_shapes.order_facts(order_id, shape, names))

    async def _names_for(self, spellings: set[str]) -> PairNames:
        """The table of names, read anew where a pair has been listed since."""
        async with self._listing:  # whoever comes meanwhile takes what the first one fetches
            names = self._names
            if names is None or not spellings <= names.spellings:
                names = await self._listed()
            return names

    async def _listed(self) -> PairNames:
        self._pairs = await self._public("AssetPairs", dict[str, PairShape])
        self._names = PairNames.of(
            (rest_id, pair.altname, pair.wsname) for rest_id, pair in self._pairs.items() if pair.wsname
        )
        return self._names


def kraken_rest(
    url: str,
    keys: Credentials | None = None,
    *,
    clock: RestClock,
    nonce: Callable[[], int],
    tier: Tier = "starter",
    patience: RestPatience | None = None,
    calls: RestCalls | None = None,
    memory: RestMemory | None = None,
) -> KrakenRest:
    """The account at a base address; without keys only what is public. Raises ConfigError for an address or a secret
    that cannot be used.
    """
    patience = patience or RestPatience()
    calls = calls or RestCalls(url, timeout_s=patience.timeout_s)
    line = RestLine(calls, keys, nonce=nonce, tier=tier, clock=clock, patience=patience, memory=memory)
    return KrakenRest(line)


def _told(raw: msgspec.Raw, wanted: type[_Answer], method: str) -> _Answer:
    try:
        return rest_shapes.read(raw, wanted)
    except ContractError as error:
        raise ExchangeError(f"Kraken {method}: {error}", "NOT_KRAKEN") from error


def _valued(found: Mapping[str, _Row], value: Callable[[str, _Row], _Answer]) -> list[_Answer]:
    """Each row as the value that it stands for; a word that is not known spoils the whole answer, not one row."""
    try:
        return [value(name, row) for name, row in found.items()]
    except ContractError as error:
        raise ExchangeError(str(error), "NOT_KRAKEN") from error


def _changed(raw: msgspec.Raw, wanted: type[_Answer], method: str) -> _Answer:
    try:
        return rest_shapes.read(raw, wanted)
    except ContractError as error:
        raise OutcomeUnknownError(
            f"Kraken {method} was answered, but {error}: query what became of it"
        ) from error


def _named(orders: Sequence[OrderFacts], client_order_id: str) -> OrderFacts | None:
    """The newest order of that id: Kraken holds it unique among open orders only."""
    own = [order for order in orders if order.client_order_id == client_order_id]
    return max(own, key=lambda order: order.opened_at, default=None)


def _before(ns: Nanoseconds) -> str:
    """`start` in whole seconds; it is exclusive, so the caller drops what came in the second before."""
    return str(max(ns // SECOND_NS - 1, 0))
