"""Signals, fills, cancels, prices and time in any order: limits hold in the worst case, as a plain model counts it.

The model keeps a list of orders and adds everything up anew on every question; the product keeps sums.
"""

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from gal_friday_core.instruments import Instrument
from gal_friday_core.money import CENT, ZERO, fee_of, value_of
from gal_friday_core.portfolio import Portfolio
from gal_friday_core.reservations import Reservations
from gal_friday_core.risk.check import check
from gal_friday_core.risk.codes import CODES, Approved
from gal_friday_core.risk.conduct import Conduct
from gal_friday_core.risk.desk import Desk
from gal_friday_core.risk.sizing import loss_per_unit
from gal_friday_core.times import DAY_NS, MINUTE_NS, SECOND_NS
from tests.core.risk.desks import limits
from tests.core.trading import COSTS, fill, signal

PAIRS = ("BTC/USD", "ETH/USD")
INSTRUMENTS = {
    pair: Instrument(pair, price_tick=Decimal("0.01"), lot=Decimal("0.001"), min_quantity=Decimal("0.01"))
    for pair in PAIRS
}
LIMITS = limits(
    risk_per_trade="0.2", max_pair_exposure="0.8", max_total_exposure="1", max_order_value="4000",
    max_open_orders=4, max_orders_per_minute=5,
    max_losses_in_a_row=1, loss_pause_s=600, max_daily_drawdown=1, max_weekly_drawdown=1, max_total_drawdown=1,
)  # fmt: skip
NEVER = 10**6 * DAY_NS


class Trading(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.now = 0
        self.portfolio = Portfolio("USD", Decimal(10_000), 0)
        self.reservations, self.conduct = Reservations(), Conduct()
        self.price = dict.fromkeys(PAIRS, Decimal(100))
        # The plain model.
        self.orders = {}  # signal -> [pair, side, quantity left, price]
        self.approvals = []
        self.seen = []
        self.results = []  # net result of each closed trade, with its time
        self.trade = dict.fromkeys(PAIRS, ZERO)
        self.number = 0

    @rule(seconds=st.integers(0, 90))
    def time_passes(self, seconds):
        self.now += seconds * SECOND_NS

    @rule(pair=st.sampled_from(PAIRS), price=st.decimals("50", "200", places=2))
    def price_moves(self, pair, price):
        self.price[pair] = price
        self.portfolio.mark(pair, price, self.now)

    @rule(
        pair=st.sampled_from(PAIRS), side=st.sampled_from(["BUY", "BUY", "SELL"]), depth=st.integers(1, 40),
        again=st.booleans(),
    )  # fmt: skip
    def a_signal_comes(self, pair, side, depth, again):
        self.number += 1
        key = self.seen[-1] if again and self.seen else f"signal-{self.number}"
        price = self.price[pair]
        stop = str(price - depth) if side == "BUY" else None
        wish = signal(key, side, price=str(price), stop=stop, target=None, pair=pair, expires_at=NEVER)
        verdict = check(wish, self.desk(pair))
        if isinstance(verdict, Approved):
            self.approved(wish, verdict)
        else:
            self.refused(wish, verdict)

    def desk(self, pair):
        return Desk(
            state=self.portfolio.state(self.now), instrument=INSTRUMENTS[pair], limits=LIMITS, costs=COSTS,
            reservations=self.reservations, now_ns=self.now, conduct=self.conduct,
        )  # fmt: skip

    def approved(self, wish, verdict):
        pair, held = wish.trading_pair, verdict.reservation
        assert wish.signal_id not in self.seen
        if wish.side == "BUY":
            assert self.pause_until() <= self.now
            assert len(self.orders) < LIMITS.max_open_orders
            assert len(self.recent()) < LIMITS.max_orders_per_minute
            assert value_of(verdict.quantity, held.price) <= LIMITS.max_order_value + CENT
            risked = verdict.quantity * loss_per_unit(held.price, wish.proposed_sl_price, COSTS)
            assert risked <= self.portfolio.equity * LIMITS.risk_per_trade + CENT
        self.reservations.reserve(held)
        buy = (pair, verdict.quantity, held.price) if wish.side == "BUY" else None
        self.conduct.approved(wish.signal_id, wish.expires_at, self.now, buy, SECOND_NS)
        self.orders[wish.signal_id] = [pair, wish.side, verdict.quantity, held.price]
        self.approvals.append(self.now)
        self.seen.append(wish.signal_id)
        if wish.side == "BUY":
            self.limits_hold(pair)

    def limits_hold(self, pair):
        """Right after an approval: prices may move against any limit later."""
        equity = self.portfolio.equity
        worth = {name: self.held(name) * self.price[name] for name in PAIRS}
        pending = {name: self.pending(name) for name in PAIRS}
        assert worth[pair] + pending[pair] <= equity * LIMITS.max_pair_exposure + 2 * CENT
        assert sum(worth.values()) + sum(pending.values()) <= equity * LIMITS.max_total_exposure + 4 * CENT
        assert self.cash_pending() <= self.portfolio.cash + CENT

    def refused(self, wish, verdict):
        """The refusals that the model can tell for itself."""
        assert verdict.code in CODES
        expected = {
            "DUPLICATE_SIGNAL": wish.signal_id in self.seen,
            "TOO_MANY_OPEN_ORDERS": len(self.orders) >= LIMITS.max_open_orders,
            "ORDER_RATE_EXCEEDED": len(self.recent()) >= LIMITS.max_orders_per_minute,
            "LOSS_STREAK_PAUSE": self.pause_until() > self.now,
            "NOTHING_TO_SELL": self.held(wish.trading_pair) - self.selling(wish.trading_pair) <= 0,
        }
        assert expected.get(verdict.code, True), verdict

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), share=st.sampled_from(["0.25", "0.5", "1"]), better=st.integers(0, 3))
    def an_order_fills(self, data, share, better):
        key = data.draw(st.sampled_from(sorted(self.orders)))
        pair, side, left, price = self.orders[key]
        quantity = (left * Decimal(share)).quantize(Decimal("0.001")) or left
        price = max(price - better, Decimal(1)) if side == "BUY" else price
        whole = quantity == left
        value = value_of(quantity, price)
        fee = fee_of(value, COSTS.taker_fee)
        self.number += 1
        report = replace_ids(
            fill(f"{key}-{self.number}", side, str(quantity), str(price), str(fee), pair=pair, ts=self.now),
            key, left, quantity, whole,
        )  # fmt: skip
        before = self.portfolio.positions.get(pair)
        realized = before.realized if before else ZERO
        self.portfolio.apply(report)
        self.portfolio.mark(pair, self.price[pair], self.now)
        self.reservations.on_report(report)
        after = self.portfolio.positions[pair]
        net, closed = after.realized - realized - fee, not after.quantity
        self.conduct.filled(pair, net, fee, self.now, closed=closed)
        self.trade[pair] += net
        if closed:
            self.results.append((self.trade[pair], self.now))
            self.trade[pair] = ZERO
        if whole:
            del self.orders[key]
        else:
            self.orders[key][2] = left - quantity

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), status=st.sampled_from(["UNKNOWN", "CANCELED", "REJECTED", "EXPIRED"]))
    def an_order_ends_or_is_lost(self, data, status):
        key = data.draw(st.sampled_from(sorted(self.orders)))
        pair, side, left, _ = self.orders[key]
        report = fill(key, side, str(left), "1", pair=pair, ts=self.now)
        ended = replace(
            report, signal_id=key, order_status=status, quantity_filled=ZERO, quantity_ordered=left, execution_id=None
        )  # fmt: skip
        self.reservations.on_report(ended)
        if status != "UNKNOWN":
            del self.orders[key]

    @invariant()
    def sums_are_those_of_the_list(self):
        for pair in PAIRS:
            assert self.reservations.buying(pair) == self.pending(pair)
            assert self.reservations.selling(pair) == self.selling(pair)
            assert self.selling(pair) <= self.held(pair)
        assert self.reservations.buying() == sum((self.pending(pair) for pair in PAIRS), ZERO)
        assert self.reservations.cash() == self.cash_pending()
        assert len(self.reservations) == len(self.orders)
        assert self.conduct.losses == self.streak()

    def held(self, pair):
        position = self.portfolio.positions.get(pair)
        return position.quantity if position else ZERO

    def pending(self, pair):
        return sum(
            (value_of(q, p) for name, side, q, p in self.orders.values() if (name, side) == (pair, "BUY")),
            ZERO,
        )

    def selling(self, pair):
        return sum((q for name, side, q, _ in self.orders.values() if (name, side) == (pair, "SELL")), ZERO)

    def cash_pending(self):
        values = [value_of(q, p) for _, side, q, p in self.orders.values() if side == "BUY"]
        return sum((value + fee_of(value, COSTS.taker_fee) for value in values), ZERO)

    def recent(self):
        return [moment for moment in self.approvals if moment > self.now - MINUTE_NS]

    def streak(self):
        lost = 0
        for result, _ in reversed(self.results):
            if result >= 0:
                break
            lost += 1
        return lost

    def pause_until(self):
        if self.streak() < LIMITS.max_losses_in_a_row:
            return 0
        return self.results[-1][1] + 600 * SECOND_NS


def replace_ids(report, key, left, quantity, whole):
    return replace(
        report, signal_id=key, quantity_ordered=left, quantity_filled=quantity,
        order_status="FILLED" if whole else "PARTIALLY_FILLED",
    )  # fmt: skip


Trading.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestTrading = Trading.TestCase
