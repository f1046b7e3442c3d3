"""Money that comes and goes without a trade, each flow once, journalled with the account after it."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from gal_friday_core.account import Flow
from gal_friday_core.money import ZERO
from gal_friday_core.portfolio import Credited, Portfolio
from gal_friday_core.portfolio_records import CASH_FLOW, flow_record
from gal_friday_core.reservations import Reservations
from gal_friday_core.times import DAY_NS
from gal_friday_live.journal_writer import JournalWriter

OPENING = "opening:"
ADJUSTMENT: Final = "ADJUSTMENT"


class FundsManager:
    """Books flows into the portfolio.

    Coins that came before any price of them was known wait in `waiting`, and are booked with the first
    price. `assets` are the quote currency and the bases of the pairs traded; other assets of the account
    are nobody's business here.
    """

    def __init__(
        self,
        portfolio: Portfolio,
        writer: JournalWriter,
        *,
        pairs: Iterable[str] = (),
        reservations: Reservations | None = None,
    ) -> None:
        self._portfolio = portfolio
        self._writer = writer
        self._reservations = reservations if reservations is not None else Reservations()
        self._bases = tuple(dict.fromkeys(pair.partition("/")[0] for pair in pairs))
        self._opening: dict[str, Decimal] = {}
        self._on_priced: Callable[[], None] = lambda: None
        self._adjusted = (0, ZERO)
        self.waiting: dict[str, Flow] = {}

    @property
    def assets(self) -> tuple[str, ...]:
        return (self._portfolio.quote, *self._bases)

    @property
    def cash(self) -> Decimal:
        """Quote currency, reserved amounts included."""
        return self._portfolio.cash

    @property
    def available(self) -> Decimal:
        """Quote currency that no open or in-flight buy will take."""
        return self._portfolio.cash - self._reservations.cash()

    @property
    def opened(self) -> bool:
        """Whether the account was taken over before."""
        return bool(self._opening)

    def adjusted(self, now_ns: int) -> Decimal:
        """Value of the adjustments of this UTC day, those of earlier runs included."""
        day, value = self._adjusted
        return value if day == now_ns // DAY_NS else ZERO

    def adjust(self, asset: str, amount: Decimal, value: Decimal, now_ns: int) -> None:
        """Book what nothing explains, worth `value` in quote currency."""
        self._count_adjustment(value, now_ns)
        flow_id = f"adjustment:{asset}:{now_ns}"
        self.book(Flow(flow_id=flow_id, kind=ADJUSTMENT, asset=asset, amount=amount, timestamp=now_ns))

    def on_priced(self, handler: Callable[[], None]) -> None:
        """Who hears that coins which waited for a price are booked."""
        self._on_priced = handler

    def credited(self, flow_id: str) -> bool:
        """Whether the flow is booked, or waits for a price."""
        return flow_id in self._portfolio.flows or flow_id in self.waiting

    def balances(self) -> dict[str, Decimal]:
        """What of each asset the account must hold by these books, coins without a price included."""
        held = dict.fromkeys(self.assets, ZERO) | self._portfolio.balances()
        for flow in self.waiting.values():
            held[flow.asset] = held.get(flow.asset, ZERO) + flow.amount
        return held

    def open(self, balances: Mapping[str, Decimal], ts_ns: int) -> None:
        """Take over what the account holds of `assets`; what was taken over before is left alone.

        What somebody else paid for coins is not known: they enter at the first price.
        """
        quote = self._portfolio.quote
        found = {asset: balances.get(asset, ZERO) for asset in self.assets if not self._is_open(asset)}
        self._opening |= found
        if quote in found:
            self._portfolio.started_ns = ts_ns
        for asset, amount in found.items():
            if asset == quote or amount:
                self.book(_opening_flow(asset, amount, ts_ns))

    def book(self, flow: Flow) -> Credited | None:
        """Book a flow once; None where it was booked before, or waits for a price."""
        quote = self._portfolio.quote
        if self.credited(flow.flow_id):
            return None
        if flow.asset != quote and f"{flow.asset}/{quote}" not in self._portfolio.marks:
            self.waiting[flow.flow_id] = flow
            return None
        credited = self._portfolio.credit(flow)
        if not isinstance(credited, Credited):
            return None
        record = flow_record(self._portfolio, flow, credited)
        if flow.flow_id == OPENING + quote:
            record["opening"] = self._opening
        self._writer.append(CASH_FLOW, flow.flow_id, flow.timestamp, record)
        return credited

    def price(self, pair: str, price: Decimal | None, ts_ns: int) -> None:
        """A price of the pair: what waited for one is booked."""
        if not self.waiting or price is None:
            return
        asset = pair.partition("/")[0]
        due = [flow for flow in self.waiting.values() if flow.asset == asset]
        if not due:
            return
        self._portfolio.mark(pair, price, ts_ns)
        for flow in due:
            del self.waiting[flow.flow_id]
            self.book(flow)
        self._on_priced()

    def take(self, ts_ns: int, record: Mapping[str, Any]) -> None:
        """Learn from a journalled flow what was taken over when the account was opened, and what was adjusted."""
        if record["kind"] == ADJUSTMENT:
            self._count_adjustment(abs(Decimal(record["value"])), ts_ns)
        if "opening" in record:
            self._opening = {asset: Decimal(amount) for asset, amount in record["opening"].items()}
            self._portfolio.started_ns = ts_ns

    def restored(self) -> None:
        """After the last entry: what was taken over but never had a price waits again."""
        for asset, amount in self._opening.items():
            flow = _opening_flow(asset, amount, self._portfolio.started_ns)
            if amount and flow.flow_id not in self._portfolio.flows:
                self.waiting[flow.flow_id] = flow

    def _count_adjustment(self, value: Decimal, ts_ns: int) -> None:
        self._adjusted = (ts_ns // DAY_NS, self.adjusted(ts_ns) + value)

    def _is_open(self, asset: str) -> bool:
        pair = f"{asset}/{self._portfolio.quote}"
        return asset in self._opening or pair in self._portfolio.positions


def _opening_flow(asset: str, amount: Decimal, ts_ns: int) -> Flow:
    return Flow(flow_id=OPENING + asset, kind="TRANSFER", asset=asset, amount=amount, timestamp=ts_ns)
