"""How what goes wrong is done to a world, and undone: one method for each kind of fault."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from gal_friday_adapters.simulated_kraken.demo import KEY
from gal_friday_adapters.simulated_kraken.signing import Keyring
from gal_friday_adapters.simulated_kraken.wire_faults import WireFaults
from gal_friday_core.money import ZERO, floor_to
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.orders import VenueOrder
from gal_friday_core.venue.requests import AddOrder, CancelAll, CancelOrder, Side
from gal_friday_live.simulation.faults import Fault
from gal_friday_live.simulation.loop import SimLoop
from gal_friday_live.simulation.page import Page
from gal_friday_live.simulation.store import Store
from gal_friday_live.simulation.wires import Network, Weather

USUAL = Weather()
CASH = "USD"
HEARD_AFTER_S = 10.0
"""Money that is moved is told by the account's line, or the line is found dead; and an order may be on its way."""
TOLD_S = 1.0
"""What somebody does by hand is told by the account's line, in much less where nothing else is wrong."""
ROOM_MB = 10_000.0
"""Free on a disk where nothing is wrong."""


class Hands(Protocol):
    """Who may act on the engine."""

    def crash(self) -> None: ...
    def restart(self) -> None: ...
    def rival(self) -> None: ...
    def operate(self, what: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Surface:
    """What trouble may touch."""

    loop: SimLoop
    venue: Venue
    wire: WireFaults
    network: Network
    store: Store
    keyring: Keyring
    page: Page
    now_ns: Callable[[], int]


class Troubles:
    """`skew_ns` is how wrong wall clocks are, `free_mb` what is free on the disk, `model_s` how long a prediction takes; `until` is when the last fault ends,
    in the loop's time. `others` are orders that somebody placed by hand, as the exchange names them.
    """

    def __init__(self, surface: Surface, hands: Hands) -> None:
        self.skew_ns = 0
        self.free_mb = ROOM_MB
        self.until = 0.0
        self.model_s = 0.0
        self.others: set[str] = set()
        self._withdrawn: list[tuple[float, Decimal]] = []
        self._on = surface
        self._hands = hands

    def strike(self, fault: Fault) -> None:
        self._on.network.trace("fault", str(fault))
        lasts_s = fault.lasts_s if fault.kind != "stranger" else TOLD_S
        self.until = max(self.until, self._on.loop.time() + lasts_s)
        getattr(self, f"_fault_{fault.kind}")(fault)

    def end(self) -> None:
        """Nothing is wrong any more, but for the clock, which somebody must set."""
        on = self._on
        on.network.trace("world", "no more faults")
        for kind in on.wire.counts:
            on.wire.set(kind, 0.0)
        weather = on.network.weather
        weather.down.clear()
        weather.rest.clear()
        weather.stray.clear()
        weather.mangled = weather.mangled_books = 0.0
        self._usual_latency()
        on.store.ambiguous = 0.0
        on.store.be("well")
        self.free_mb = ROOM_MB
        on.page.broken = False
        self.model_s = 0.0
        on.keyring.lock(KEY, on.now_ns())
        for order in self._strangers():
            if order.is_open:
                on.venue.call(KEY, CancelOrder(order_id=(order.order_id,)), on.now_ns())
        on.venue.set_status("online", on.now_ns())

    def held_by_others(self, symbol: str) -> Decimal:
        """At most so much of what is held somebody bought by hand: no engine looks after it. What is sold by hand is
        taken from what an engine bought.
        """
        orders = [order for order in self._strangers() if order.symbol == symbol]
        return sum((order.cum_qty for order in orders if order.asked.side == "buy"), ZERO)

    def lately_withdrawn(self) -> Decimal:
        """What an engine may not have heard of yet."""
        since = self._on.loop.time() - HEARD_AFTER_S
        return -sum((amount for at_s, amount in self._withdrawn if at_s > since), ZERO)

    def _strangers(self) -> list[VenueOrder]:
        orders = self._on.venue.account(KEY).orders
        return [orders[order_id] for order_id in sorted(self.others)]

    def _later(self, seconds: float, undo: Callable[[], object]) -> None:
        self._on.loop.call_later(seconds, undo)

    # The exchange

    def _fault_wire(self, fault: Fault) -> None:
        wire = self._on.wire
        wire.set(fault.what, fault.strength)
        self._later(fault.lasts_s, lambda: wire.set(fault.what, 0.0))

    def _fault_status(self, fault: Fault) -> None:
        on = self._on
        on.venue.set_status(fault.what, on.now_ns())  # type: ignore[arg-type]
        self._later(fault.lasts_s, lambda: on.venue.set_status("online", on.now_ns()))

    def _fault_sweep(self, _: Fault) -> None:
        """Somebody cancels every order of the account, stops too."""
        self._on.venue.call(KEY, CancelAll(), self._on.now_ns())

    def _fault_lockout(self, fault: Fault) -> None:
        self._on.keyring.lock(KEY, self._on.now_ns() + int(fault.lasts_s * SECOND_NS))

    def _fault_flow(self, fault: Fault) -> None:
        """The owner of the account moves money."""
        moved = self._on.venue.move(KEY, CASH, Decimal(fault.what), self._on.now_ns())
        self._withdrawn.append((self._on.loop.time(), min(moved, ZERO)))

    def _fault_stranger(self, fault: Fault) -> None:
        """Somebody trades on the account by hand: at once, or with an order that rests."""
        on = self._on
        side: Side = "buy" if fault.what in {"buy", "bid"} else "sell"
        symbol = on.venue.listings[0].symbol
        last, listing = on.venue.last(symbol), on.venue.listing(symbol)
        if last is None:
            return
        quantity = 4 * listing.quantity_min
        if fault.what in {"buy", "sell"}:
            request = AddOrder(symbol=symbol, side=side, order_type="market", order_qty=quantity)
        else:
            away = Decimal("0.97") if side == "buy" else Decimal("1.03")
            price = floor_to(last * away, listing.tick_size)
            request = AddOrder(
                symbol=symbol, side=side, order_type="limit", order_qty=quantity, limit_price=price
            )
        known = set(on.venue.account(KEY).orders)
        Venue.call(on.venue, KEY, request, on.now_ns())  # past whoever watches what the engine sends
        self.others |= set(on.venue.account(KEY).orders) - known

    # The network

    def _fault_stray(self, fault: Fault) -> None:
        stray = self._on.network.weather.stray
        stray[fault.what] = fault.strength
        self._later(fault.lasts_s, lambda: stray.pop(fault.what, None))

    def _fault_rest(self, fault: Fault) -> None:
        rest = self._on.network.weather.rest
        rest[fault.what] = fault.strength
        self._later(fault.lasts_s, lambda: rest.pop(fault.what, None))

    def _fault_cut(self, fault: Fault) -> None:
        self._on.network.cut(None if fault.what == "all" else fault.what)  # type: ignore[arg-type]

    def _fault_silence(self, fault: Fault) -> None:
        self._on.network.silence(None if fault.what == "all" else fault.what)  # type: ignore[arg-type]

    def _fault_down(self, fault: Fault) -> None:
        """Nobody can be reached, and who was connected is not any more."""
        kinds = {"public", "private", "rest"} if fault.what == "all" else {fault.what}
        network = self._on.network
        network.weather.down |= kinds
        for kind in sorted(kinds - {"rest"}):
            network.cut(kind)  # type: ignore[arg-type]
        self._later(fault.lasts_s, lambda: network.weather.down.difference_update(kinds))

    def _fault_mangled(self, fault: Fault) -> None:
        """A share of all frames, or of those of books alone."""
        weather = self._on.network.weather
        name = "mangled_books" if fault.what == "books" else "mangled"
        setattr(weather, name, fault.strength)
        self._later(fault.lasts_s, lambda: setattr(weather, name, 0.0))

    def _fault_latency(self, fault: Fault) -> None:
        weather = self._on.network.weather
        weather.latency_s, weather.spread_s = fault.strength * 0.5, fault.strength * 0.8
        self._later(fault.lasts_s, self._usual_latency)

    def _usual_latency(self) -> None:
        weather = self._on.network.weather
        weather.latency_s, weather.spread_s = USUAL.latency_s, USUAL.spread_s

    # The machine

    def _fault_store(self, fault: Fault) -> None:
        store = self._on.store
        if fault.what == "ambiguous":
            store.ambiguous = fault.strength
            self._later(fault.lasts_s, lambda: setattr(store, "ambiguous", 0.0))
        else:
            store.be(fault.what)  # type: ignore[arg-type]
            self._later(fault.lasts_s, lambda: store.be("well"))

    def _fault_disk(self, fault: Fault) -> None:
        self.free_mb = 500.0 * fault.strength
        self._later(fault.lasts_s, lambda: setattr(self, "free_mb", ROOM_MB))

    def _fault_full(self, fault: Fault) -> None:
        """Nothing takes a byte any more: not the database, not the disk, not even the page for a halt."""
        on = self._on
        self.free_mb, on.page.broken = 0.0, True
        on.store.be("full")

        def undo() -> None:
            self.free_mb, on.page.broken = ROOM_MB, False
            on.store.be("well")

        self._later(fault.lasts_s, undo)

    def _fault_model(self, fault: Fault) -> None:
        """Predictions hold up the whole engine for seconds."""
        self.model_s = 8.0 * fault.strength
        self._later(fault.lasts_s, lambda: setattr(self, "model_s", 0.0))

    def _fault_clock(self, fault: Fault) -> None:
        self.skew_ns += int(fault.what) * SECOND_NS

    # People

    def _fault_crash(self, _: Fault) -> None:
        self._hands.crash()

    def _fault_restart(self, _: Fault) -> None:
        self._hands.restart()

    def _fault_rival(self, _: Fault) -> None:
        self._hands.rival()

    def _fault_operator(self, fault: Fault) -> None:
        self._hands.operate(fault.what)
