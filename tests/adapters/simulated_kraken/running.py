"""A simulated exchange on a thread of its own: third-party clients block, and may not block their server."""

import asyncio
import base64
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from gal_friday_adapters.simulated_kraken.signing import ApiKey, Keyring
from gal_friday_adapters.simulated_kraken.tokens import Tokens
from gal_friday_adapters.simulated_kraken.wire_faults import WireFaults
from gal_friday_core.candles import Candles
from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.floor import Floor
from gal_friday_core.venue.listings import DEMO_LISTINGS

KEY = "demo"
SECRET = base64.b64encode(b"demo-secret").decode()
FUNDS = {"USD": Decimal(100_000), "BTC": Decimal(2), "ETH": Decimal(10)}


class Ladder:
    """An outside market that stands still: 20 levels of one unit on each side, a tick apart, and one trade."""

    def open(self, floor: Floor, now_ns: int) -> None:
        tick, middle = floor.listing.tick_size, floor.listing.start_price
        for step in range(1, 21):
            floor.outside_limit(f"b{step}", "buy", middle - step * tick, Decimal(1), now_ns)
            floor.outside_limit(f"a{step}", "sell", middle + step * tick, Decimal(1), now_ns)
        floor.outside_market("buy", Decimal("0.5"), now_ns)

    def due_ns(self) -> int | None:
        return None

    def act(self, floor: Floor, now_ns: int) -> None:
        raise AssertionError("a ladder never acts")

    def skip(self) -> None:
        raise AssertionError("a ladder never acts")

    def history(self) -> Candles | None:
        return None


def exchange(faults: str = "", seed: int = 1, now: Callable[[], int] = time.time_ns) -> Exchange:
    now_ns = now()
    venue = Venue(seed=seed, start_ns=now_ns, markets={listing.symbol: Ladder() for listing in DEMO_LISTINGS})
    venue.open_account(KEY, FUNDS)
    return Exchange(venue, now=now, faults=WireFaults.parse(faults, seed), tokens=Tokens(os.urandom))


@contextmanager
def running(served: Exchange) -> Iterator[SimulatedKraken]:
    """Serve an exchange until the block ends. The server may be touched through `call_soon_threadsafe` only."""
    server = SimulatedKraken(served, Keyring([ApiKey(KEY, SECRET, account=KEY)]))
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        async with server:
            ready.set()
            await stopped.wait()

    stopped = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10), "the simulated exchange did not start"
        yield server
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(10)
        loop.close()
