"""Puts a simulated Kraken together: markets, one funded account with its key, history, faults."""

import base64
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal

from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_adapters.simulated_kraken.permissions import QUERIES
from gal_friday_adapters.simulated_kraken.scaled_time import ScaledTime
from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from gal_friday_adapters.simulated_kraken.signing import ApiKey, Keyring
from gal_friday_adapters.simulated_kraken.tokens import Tokens
from gal_friday_adapters.simulated_kraken.wire_faults import WireFaults
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.limits import Tier
from gal_friday_core.venue.listings import DEMO_LISTINGS, Listing
from gal_friday_core.venue.markets import SEEDS_APART, GeneratedMarket, OutsideMarket

KEY = "demo"
SECRET = base64.b64encode(b"demo-secret").decode()
"""Published on purpose: it opens nothing but this simulation."""
AUDIT_KEY = "demo-audit"
"""A second key of the same account and with the same secret, which may only query."""

FUNDS = {
    "USD": Decimal(100_000),
    "EUR": Decimal(50_000),
    "USDT": Decimal(50_000),
    "BTC": Decimal(2),
    "ETH": Decimal(20),
    "SOL": Decimal(500),
    "XRP": Decimal(50_000),
    "ADA": Decimal(50_000),
    "DOGE": Decimal(250_000),
}
REACH_NS = 2 * SECOND_NS
"""Of a fast market at a time, in its own seconds: a few milliseconds of work for nine pairs."""
HISTORY_MINUTES = 43_200
"""Thirty days: as many hourly bars as `OHLC` ever gives."""


def generated(listings: tuple[Listing, ...], seed: int) -> dict[str, OutsideMarket]:
    """A generated market with thirty days of history for every pair."""
    return {
        listing.symbol: GeneratedMarket(listing, seed * SEEDS_APART + number, history_minutes=HISTORY_MINUTES)
        for number, listing in enumerate(listings)
    }


def simulated_kraken(
    *,
    seed: int,
    port: int = 0,
    faults: str = "",
    tier: Tier = "pro",
    listings: tuple[Listing, ...] = DEMO_LISTINGS,
    markets: Mapping[str, OutsideMarket] | None = None,
    now: Callable[[], int] = time.time_ns,
    scaled: ScaledTime | None = None,
    funds: Mapping[str, Decimal] | None = None,
) -> SimulatedKraken:
    """A server that is ready to start, with key `demo` and a funded account; by default over generated markets.

    `funds` are the account's, of `FUNDS` what is listed if left out. `scaled` is its time instead of `now`; clients of this machine learn it at `/simulation`. Raises
    ConfigError for faults that do not exist.
    """
    now = scaled.now_ns if scaled is not None else now
    strikes = WireFaults.parse(faults, seed)
    outside = dict(markets) if markets is not None else generated(listings, seed)
    venue = Venue(seed=seed, start_ns=now(), listings=listings, markets=outside)
    listed = {asset.name for listing in listings for asset in (listing.base, listing.quote)}
    given = FUNDS if funds is None else funds
    venue.open_account(KEY, {name: amount for name, amount in given.items() if name in listed}, tier=tier)
    histories = {symbol: market.history() for symbol, market in outside.items()}
    past = {symbol: minutes for symbol, minutes in histories.items() if minutes is not None}
    exchange = Exchange(
        venue, now=now, faults=strikes, tokens=Tokens(secrets.token_bytes), past=past,
        reach_ns=None if scaled is None else REACH_NS,
    )  # fmt: skip
    about = {"venue_id": str(uuid.uuid4())}
    keys = [ApiKey(KEY, SECRET, account=KEY), ApiKey(AUDIT_KEY, SECRET, account=KEY, permissions=QUERIES)]
    return SimulatedKraken(exchange, Keyring(keys), port=port, about=about, scaled=scaled)
