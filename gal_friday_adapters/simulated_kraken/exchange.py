"""The exchange behind both fronts: the venue, its public market, accounts' tokens, and the clock."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from gal_friday_adapters.simulated_kraken import public_feed
from gal_friday_adapters.simulated_kraken.bars import Bars
from gal_friday_adapters.simulated_kraken.hub import Hub
from gal_friday_adapters.simulated_kraken.market import PairMarket
from gal_friday_adapters.simulated_kraken.names import Directory
from gal_friday_adapters.simulated_kraken.past import past_bars
from gal_friday_adapters.simulated_kraken.tokens import Tokens
from gal_friday_adapters.simulated_kraken.wire_faults import WireFaults
from gal_friday_core.candles import Candles
from gal_friday_core.errors import ExchangeError
from gal_friday_core.money import ZERO
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue import reports
from gal_friday_core.venue.accounts import Account
from gal_friday_core.venue.error_texts import REST_RATE_LIMIT, UNAVAILABLE, UNKNOWN_PAIR
from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.listings import Listing
from gal_friday_core.venue.orders import Execution, VenueOrder
from gal_friday_core.venue.requests import AddOrder, Description, Front, PairStatus, Request, Response
from gal_friday_core.venue.updates import ExecutionUpdate

LAST_FILLS = 50


class Exchange:
    """One venue as clients meet it.

    `now` gives ns UTC; `faults` strike requests and frames; `past` holds one-minute candles by pair from
    before the venue's first moment, for `OHLC` and the 24-hour statistics. Where the market is behind `now` by more
    than `reach_ns`, its present is no further than that: nobody who asks has to wait until it has caught up.
    """

    def __init__(
        self,
        venue: Venue,
        *,
        now: Callable[[], int],
        faults: WireFaults,
        tokens: Tokens,
        past: Mapping[str, Candles] | None = None,
        reach_ns: int | None = None,
    ) -> None:
        self._venue = venue
        self._clock = now
        self._reach_ns = reach_ns
        self.faults = faults
        self.tokens = tokens
        self.directory = Directory(venue.listings)
        self.markets = {
            listing.symbol: PairMarket(listing, Bars(listing.start_price, now()))
            for listing in venue.listings
        }
        for symbol, minutes in (past or {}).items():
            listing = self.markets[symbol].listing
            self.markets[symbol].bars.seed(past_bars(minutes, listing.price_decimals))
        self.hub = Hub(self.markets, counter=self._counter)
        self._late: list[tuple[int, str, Request, Front]] = []

    def now_ns(self) -> int:
        return self._now()

    @property
    def reached_ns(self) -> int:
        """How far the market has come."""
        return self._venue.now_ns

    def _now(self) -> int:
        now_ns = self._clock()
        return now_ns if self._reach_ns is None else min(now_ns, self._venue.now_ns + self._reach_ns)

    # The market

    def advance(self) -> bool:
        """Let the market move on, tell whoever listens what happened since the last time; False where it is behind still."""
        now_ns = self._now()
        due = sorted((item for item in self._late if item[0] <= now_ns), key=lambda item: item[0])
        self._late = [item for item in self._late if item[0] > now_ns]
        for at_ns, account, request, front in due:
            self._venue.call(account, request, at_ns, front=front)
        self.hub.publish(self._venue.advance(now_ns), now_ns)
        return self._reach_ns is None or self._clock() - now_ns < self._reach_ns

    def is_due(self) -> bool:
        """Whether `advance` would do or tell anything now."""
        now_ns, due_ns = self._now(), self._venue.due_ns()
        return (due_ns is not None and due_ns <= now_ns) or any(item[0] <= now_ns for item in self._late)

    def system_status(self) -> str:
        return self._venue.status

    def set_pair_status(self, symbol: str, status: PairStatus) -> None:
        """Put a pair into a mode, and tell whoever listens."""
        self._venue.set_pair_status(symbol, status, self._now())
        self.advance()

    def instruments(self) -> dict[str, Any]:
        """The `data` of an instrument snapshot."""
        return public_feed.instruments(
            self.directory.assets.values(),
            self.directory.listings.values(),
            {symbol: self._venue.pair_status(symbol) for symbol in self.directory.listings},
        )

    # Requests

    def admit(self, account: str, method: str, key: str) -> None:
        """Count a private REST call by a key of the account. Raises ExchangeError where it is one too many."""
        error = self._venue.admit_rest(account, method, self._now(), key)
        if self.faults.strikes("rate_limit"):
            error = REST_RATE_LIMIT
        if error is not None:
            raise ExchangeError(error)

    def rate_limit(self, account: str) -> Decimal:
        """The threshold of the matching engine's counter."""
        return self._venue.max_rate_counter(account)

    def trade(self, account: str, request: Request, front: Front) -> Response | None:
        """Carry out an order request; None where a fault takes the answer of what was carried out, or will be."""
        if self.faults.strikes("reject"):
            return Response(error=UNAVAILABLE)
        if isinstance(request, AddOrder) and self.faults.strikes("accept_late"):
            at_ns = self._now() + int(self.faults.late_s() * SECOND_NS)
            self._late.append((at_ns, account, request, front))
            return None
        response = self._venue.call(account, request, self._now(), front=front)
        return None if self.faults.strikes("lost_response") else response

    def _counter(self, account: str, order_id: str) -> Decimal | None:
        order = self._venue.order(account, order_id)
        return None if order is None else self._venue.rate_counter(account, order.symbol, self._now())

    def revoke_tokens(self) -> None:
        """As when the exchange restarts its sessions: every token is worth nothing from now on."""
        self.tokens.revoke()
        self.hub.forget_tokens()

    def account_of(self, token: str) -> str | None:
        return self.tokens.account(token, self._now())

    # Accounts

    def account(self, name: str) -> Account:
        return self._venue.account(name)

    def balances(self, name: str) -> Mapping[str, Decimal]:
        return self._venue.account(name).balances

    def worth_usd(self, name: str) -> Decimal:
        """What the balances of an account are worth at last prices; what no dollar pair prices counts nothing."""
        return sum((amount * self._in_usd(asset) for asset, amount in self.balances(name).items()), ZERO)

    def _in_usd(self, asset: str) -> Decimal:
        if asset == "USD":
            return Decimal(1)
        market = self.markets.get(f"{asset}/USD")
        return market.bars.last_price() if market is not None else ZERO

    def orders(self, account: str) -> list[VenueOrder]:
        """Every order that was ever taken, oldest first."""
        return list(self._venue.account(account).orders.values())

    def order(self, account: str, order_id: str) -> VenueOrder | None:
        return self._venue.order(account, order_id)

    def describe(self, order: VenueOrder) -> Description:
        return self._venue.describe(order)

    def open_orders(self, account: str) -> list[ExecutionUpdate]:
        """The orders of a snapshot of `executions`."""
        return self._venue.snapshot(account)

    def last_fills(self, account: str) -> list[ExecutionUpdate]:
        """The fills of a snapshot of `executions`: the last fifty."""
        fills = self._venue.account(account).executions[-LAST_FILLS:]
        return [self._fill(account, fill) for fill in fills]

    def _fill(self, account: str, fill: Execution) -> ExecutionUpdate:
        order = self._venue.account(account).orders[fill.order_id]
        return replace(reports.trade(order, fill, self.listing(fill.symbol), ZERO), fee_usd_equiv=None)

    # Names

    def listing(self, spelling: str) -> Listing:
        """Raises ExchangeError for a pair that is not listed."""
        listing = self.directory.pair(spelling)
        if listing is None:
            raise ExchangeError(UNKNOWN_PAIR)
        return listing

    def asset_name(self, spelling: str) -> str:
        """The websocket name of an asset; raises ExchangeError for one that is not listed."""
        asset = self.directory.asset(spelling)
        if asset is None:
            raise ExchangeError("EQuery:Unknown asset")
        return asset.name
