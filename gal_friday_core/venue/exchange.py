"""The venue: a Kraken-like spot exchange as one synchronous state machine. This is the whole door to it.

    venue = Venue(seed=7, start_ns=now, listings=DEMO_LISTINGS, markets=generated_markets(DEMO_LISTINGS, 7))
    venue.open_account("demo", {"USD": Decimal(100_000), "BTC": Decimal(2)}, tier="pro")
    response = venue.call("demo", AddOrder(...), now)        # Response(error=…) or Response(result=…)
    updates = venue.advance(now)                             # everything since the last advance, in order

- `call(account, request, now_ns, front="rest")` first lets time pass to `now_ns`, then carries the request out.
  Requests and results: `venue.requests`. Errors are Kraken's strings, never exceptions. `front="websocket"`
  refuses a crossing post-only order, `"rest"` takes it and cancels it with reason "Post only order".
- `advance(now_ns)` lets time pass (outside market, triggers, expiries, dead man's switch) and hands out all
  `Update`s since the last call, those of `call` included: `venue.updates`. One BookUpdate and the TradeUpdates
  before it stand for one instant; a private event of a fill follows its TradeUpdate and comes before the BookUpdate.
- `admit_rest(account, method, now_ns, key)` counts a private REST call (`"Balance"`, `"TradesHistory"` …) by a
  key of the account; None, or the error. Order methods cost nothing here: they have the engine's own counter.
- Reading, none of which changes anything: `book`, `last`, `listing`, `listings`, `pair_status`, `status`,
  `account` (balances, held, ledger, executions, orders), `open_orders`, `order`, `describe`, `snapshot`,
  `rate_counter`, `max_rate_counter`, `totals`, `history`.
- Time only moves forward: an earlier `now_ns` counts as the latest one seen. All ids derive from the seed; the
  same calls at the same times give the same answers and updates, however time was cut into `advance`s.
"""

import heapq
from collections.abc import Iterable, Mapping
from decimal import Decimal

from gal_friday_core.candles import Candles
from gal_friday_core.errors import ContractError
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue import amending, error_texts, reports
from gal_friday_core.venue.accounts import Account
from gal_friday_core.venue.clearing import Clearing
from gal_friday_core.venue.describe import describe
from gal_friday_core.venue.desk import Desk
from gal_friday_core.venue.floor import EXPIRED, SWITCH, Floor
from gal_friday_core.venue.identifiers import Identifiers
from gal_friday_core.venue.limits import RestLimiter, Tier
from gal_friday_core.venue.listings import DEMO_LISTINGS, Listing
from gal_friday_core.venue.markets import OutsideMarket
from gal_friday_core.venue.orders import VenueOrder
from gal_friday_core.venue.requests import (
    AddOrder,
    AmendOrder,
    BatchAdd,
    BatchCancel,
    CancelAll,
    CancelAllOrdersAfter,
    CancelOrder,
    Description,
    EditOrder,
    EngineStatus,
    Front,
    PairStatus,
    Request,
    Response,
    SwitchSet,
)
from gal_friday_core.venue.updates import ExecutionUpdate, PairUpdate, PriceLevel, StatusUpdate, Update

LONGEST_SWITCH_S = 86_400
"""A dead man's switch is set to less than a day (KRAKEN_PROTOCOL §2.4)."""


class Venue:
    """See the module's text."""

    def __init__(
        self,
        *,
        seed: int,
        start_ns: int,
        listings: Iterable[Listing] = DEMO_LISTINGS,
        markets: Mapping[str, OutsideMarket] | None = None,
    ) -> None:
        self.now_ns = start_ns
        self.listings = tuple(listings)
        self._clearing = Clearing(Identifiers(seed))
        self._floors = {
            listing.symbol: Floor(listing, self._clearing, self._alarm) for listing in self.listings
        }
        self._desk = Desk(self._floors, self._clearing)
        self._rest: dict[tuple[str, str], RestLimiter] = {}
        self._alarms: list[tuple[int, int, str, str]] = []
        self._alarms_set = 0
        self._switches: dict[str, int] = {}
        self._late: list[str] = []
        self._markets = dict(markets or {})
        unknown = set(self._markets) - set(self._floors)
        if unknown:
            raise ContractError(f"markets of pairs that are not listed: {', '.join(sorted(unknown))}")
        for symbol, market in self._markets.items():
            market.open(self._floors[symbol], start_ns)

    # Asking

    def open_account(
        self, name: str, funds: Mapping[str, Decimal], *, tier: Tier = "pro", now_ns: int | None = None
    ) -> None:
        """A client with its deposits. Raises ContractError for a name that exists or a negative amount."""
        self._clearing.open(name, tier, funds, self.now_ns if now_ns is None else now_ns)

    def move(self, account: str, asset: str, amount: Decimal, now_ns: int) -> Decimal:
        """A client's deposit, or withdrawal where negative, of no more than is available; what was moved."""
        self._pass(now_ns)
        return self._clearing.move(account, asset, amount, self.now_ns)

    def call(self, account: str, request: Request, now_ns: int, *, front: Front = "rest") -> Response:
        """Carry out one request at a time. Raises ContractError for an account that was never opened."""
        self.account(account)
        self._pass(now_ns)
        now_ns = self.now_ns
        match request:
            case AddOrder():
                return self._desk.add(account, request, now_ns, front)
            case BatchAdd():
                return self._desk.batch_add(account, request, now_ns, front)
            case AmendOrder():
                return amending.amend(self._desk, account, request, now_ns)
            case EditOrder():
                return amending.edit(self._desk, account, request, now_ns)
            case _:
                return self._cancel(account, request, now_ns)

    def _cancel(
        self,
        account: str,
        request: CancelOrder | CancelAll | CancelAllOrdersAfter | BatchCancel,
        now_ns: int,
    ) -> Response:
        match request:
            case CancelOrder():
                return self._desk.cancel(account, request, now_ns)
            case BatchCancel():
                return self._desk.batch_cancel(account, request, now_ns)
            case CancelAll():
                return self._desk.cancel_all(account, now_ns)
            case CancelAllOrdersAfter():
                return self._set_switch(account, request.timeout)

    def advance(self, now_ns: int) -> list[Update]:
        """Let time pass and hand out what happened since the last call."""
        self._pass(now_ns)
        updates = self._clearing.updates
        self._clearing.updates = []
        return updates

    def due_ns(self) -> int | None:
        """When `advance` will have something to do or to tell; None where it never will by itself."""
        if self._clearing.updates:
            return self.now_ns
        due = self._next()
        return None if due is None else due[0]

    def admit_rest(self, account: str, method: str, now_ns: int, key: str = "") -> str | None:
        """Count a private REST call on the counter of a key of the account (§4); the error of one too many."""
        limiter = self._rest.get((account, key))
        if limiter is None:
            limiter = self._rest[account, key] = RestLimiter(self.account(account).tier)
        return None if limiter.admit(method, now_ns) else error_texts.REST_RATE_LIMIT

    def set_status(self, status: EngineStatus, now_ns: int) -> None:
        """Put the whole engine into a mode (§5.2)."""
        self._pass(now_ns)
        self._desk.engine = status
        self._clearing.updates.append(StatusUpdate(system=status, timestamp=self.now_ns))
        self._catch_up()

    def set_pair_status(self, symbol: str, status: PairStatus, now_ns: int) -> None:
        """Put one pair into a mode."""
        self._pass(now_ns)
        self._floors[symbol].status = status
        self._clearing.updates.append(PairUpdate(symbol=symbol, status=status, timestamp=self.now_ns))
        self._catch_up()

    # Reading

    @property
    def status(self) -> EngineStatus:
        return self._desk.engine

    def pair_status(self, symbol: str) -> PairStatus:
        return self._floor(symbol).status

    def listing(self, symbol: str) -> Listing:
        """Raises ContractError for a pair that is not listed."""
        return self._floor(symbol).listing

    def last(self, symbol: str) -> Decimal | None:
        """The last trade's price."""
        return self._floor(symbol).last

    def book(self, symbol: str, depth: int | None = None) -> tuple[list[PriceLevel], list[PriceLevel]]:
        """Bids and asks, best first; hidden size is not shown."""
        book = self._floor(symbol).book
        return book.levels("buy", depth), book.levels("sell", depth)

    def account(self, name: str) -> Account:
        """To be read only. Raises ContractError for an account that was never opened."""
        found = self._clearing.accounts.get(name)
        if found is None:
            raise ContractError(f"no account {name}: open it first")
        return found

    def open_orders(self, account: str) -> list[VenueOrder]:
        """In the order of arrival; to be read only."""
        return self._desk.open_orders(account)

    def order(self, account: str, order_id: str) -> VenueOrder | None:
        """An order of the account, open or ended."""
        return self.account(account).orders.get(order_id)

    def history(self, symbol: str) -> Candles | None:
        """One-minute bars before the start, where the pair's outside market has any."""
        market = self._markets.get(symbol)
        return market.history() if market is not None else None

    def describe(self, order: VenueOrder) -> Description:
        """The order in words, as it stands now."""
        return describe(order.asked, self.listing(order.symbol))

    def snapshot(self, account: str) -> list[ExecutionUpdate]:
        """Open orders as an executions snapshot has them (§7 `snap_orders`)."""
        return [
            reports.full(order, "status", self.now_ns, last=self.last(order.symbol))
            for order in self.open_orders(account)
        ]

    def rate_counter(self, account: str, symbol: str, now_ns: int) -> Decimal:
        """The matching-engine counter (§4)."""
        return self._desk.limiter(account).read(symbol, now_ns)

    def max_rate_counter(self, account: str) -> Decimal:
        """The threshold of the account's tier (§4 `maxratecount`)."""
        return self._desk.limiter(account).limit.threshold

    def totals(self) -> dict[str, Decimal]:
        """All money by asset: clients, outside market, fees. Deposits alone change it."""
        return self._clearing.totals()

    # Time

    def _pass(self, now_ns: int) -> None:
        """Do everything that is due, in the order of its time; alarms before the outside market."""
        while True:
            due = self._next()
            if due is None or due[0] > now_ns:
                break
            at, symbol = due
            self.now_ns = max(self.now_ns, at)
            if symbol is None:
                self._ring(*heapq.heappop(self._alarms)[2:])
            else:
                self._act(symbol)
        self.now_ns = max(self.now_ns, now_ns)

    def _next(self) -> tuple[int, str | None] | None:
        """When something is due next, and of which market; an alarm has none."""
        due: list[tuple[int, str]] = []
        for symbol, market in self._markets.items():
            at = market.due_ns()
            if at is not None:
                due.append((at, symbol))
        soonest = min(due, default=None)
        # In maintenance nothing is cancelled: what was due is done when the engine comes back (§2.4, §5.2).
        if self._alarms and self.status != "maintenance":
            at = self._alarms[0][0]
            if soonest is None or at <= soonest[0]:
                return at, None
        return soonest

    def _act(self, symbol: str) -> None:
        """Let an outside market act; where its pair does not match, what it would have done is lost."""
        market, floor = self._markets[symbol], self._floors[symbol]
        if self._matches(floor):
            market.act(floor, self.now_ns)
        else:
            market.skip()

    def _alarm(self, at_ns: int, what: str, key: str) -> None:
        self._alarms_set += 1
        heapq.heappush(self._alarms, (at_ns, self._alarms_set, what, key))

    def _ring(self, what: str, key: str) -> None:
        if what == "switch":
            self._spring(key)
            return
        order = self._pending(key)
        if order is None:
            return
        floor = self._floors[order.symbol]
        if what == "expire":
            floor.end(order, self.now_ns, EXPIRED, expired=True)
        elif self._matches(floor):
            floor.start(order, self.now_ns)
        else:
            self._late.append(key)

    def _matches(self, floor: Floor) -> bool:
        """Only where engine and pair are online may anything trade (§5.2)."""
        return self.status == "online" and floor.status == "online"

    def _catch_up(self) -> None:
        """Scheduled orders whose time came while nothing matched start now."""
        late, self._late = self._late, []
        for order_id in late:
            self._ring("start", order_id)

    def _pending(self, order_id: str) -> VenueOrder | None:
        for floor in self._floors.values():
            if order_id in floor.orders:
                return floor.orders[order_id]
        return None

    def _set_switch(self, account: str, timeout_s: int) -> Response:
        if not 0 <= timeout_s < LONGEST_SWITCH_S:
            return Response(error=error_texts.invalid("timeout"))
        if timeout_s == 0:
            self._switches.pop(account, None)
            return Response(result=SwitchSet(current_time=self.now_ns, trigger_time=None))
        at = self._switches[account] = self.now_ns + timeout_s * SECOND_NS
        self._alarm(at, "switch", account)
        return Response(result=SwitchSet(current_time=self.now_ns, trigger_time=at))

    def _spring(self, account: str) -> None:
        """Only the latest setting counts; once sprung the switch is off."""
        at = self._switches.get(account)
        if at is not None and at <= self.now_ns:
            del self._switches[account]
            self._desk.cancel_all(account, self.now_ns, SWITCH)

    def _floor(self, symbol: str) -> Floor:
        found = self._floors.get(symbol)
        if found is None:
            raise ContractError(f"{symbol} is not listed")
        return found
