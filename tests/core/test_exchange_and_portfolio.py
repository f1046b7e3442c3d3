"""Any orders against any bars: states follow the machine, balances conserve, both books agree."""

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gal_friday_core.instruments import Instrument
from gal_friday_core.orders import TRANSITIONS, is_terminal
from gal_friday_core.portfolio import Applied, Portfolio
from gal_friday_core.simulated_exchange import SimulatedExchange
from gal_friday_core.times import MINUTE_NS
from tests.core.trading import COSTS, PAIR, bar, order

INSTRUMENT = Instrument(PAIR, price_tick=Decimal("0.01"), lot=Decimal("0.01"), min_cost=Decimal(1))
price = st.integers(5_000, 20_000).map(lambda cents: Decimal(cents) / 100)
quantity = st.integers(1, 600).map(lambda lots: str(Decimal(lots) / 100))


@st.composite
def bars(draw):
    open_, close = draw(price), draw(price)
    high = max(open_, close) + draw(st.integers(0, 3000)) / Decimal(100)
    low = min(open_, close) - draw(st.integers(0, 3000)) / Decimal(100)
    return open_, high, low, close


class Trading(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.venue = SimulatedExchange([INSTRUMENT], {"USD": Decimal(1000)}, COSTS)
        self.portfolio = Portfolio("USD", Decimal(1000), 0)
        self.status, self.executions = {}, set()
        self.minute, self.sent = 0, 0
        self.move((Decimal(100), Decimal(100), Decimal(100), Decimal(100)))

    def follow(self, reports):
        for report in reports:
            before = self.status.get(report.client_order_id, "PENDING_NEW")
            assert report.order_status in TRANSITIONS[before]
            self.status[report.client_order_id] = report.order_status
            assert report.quantity_filled <= report.quantity_ordered
            assert (report.order_status == "FILLED") == (report.quantity_filled == report.quantity_ordered)
            if report.execution_id is not None:
                assert report.execution_id not in self.executions
                self.executions.add(report.execution_id)
                assert isinstance(self.portfolio.apply(report), Applied)

    def send(self, **fields):
        self.sent += 1
        self.follow(self.venue.submit(order(f"o{self.sent}", created_at=self.minute * MINUTE_NS, **fields)))

    @rule(shape=bars())
    def move(self, shape):
        self.follow(self.venue.on_candle(bar(self.minute, *shape)))
        self.minute += 1

    @rule(amount=quantity, stop=price, goal=price)
    def buy_protected(self, amount, stop, goal):
        self.send(quantity=amount, stop_price=min(stop, goal), target_price=max(stop, goal))

    @rule(amount=quantity, limit=price, stop=price)
    def buy_limit(self, amount, limit, stop):
        self.send(type_="LIMIT", quantity=amount, limit_price=limit, stop_price=stop)

    @rule(amount=quantity)
    def reduce(self, amount):
        self.send(side="SELL", quantity=amount, reduce_only=True)

    @rule()
    def leave(self):
        held = self.venue.balances().get("BTC", Decimal(0))
        if held:
            self.send(side="SELL", quantity=str(held), reduce_only=True)

    @rule(amount=quantity, limit=price)
    def sell_limit(self, amount, limit):
        self.send(side="SELL", type_="LIMIT", quantity=amount, limit_price=limit)

    @rule(amount=quantity, trigger=price)
    def stop_by_hand(self, amount, trigger):
        self.send(side="SELL", type_="STOP_LOSS", quantity=amount, trigger_price=trigger, reduce_only=True)

    @rule(data=st.data())
    def cancel(self, data):
        taken = [key for key, status in self.status.items() if status != "REJECTED"]
        if taken:
            self.follow(self.venue.cancel(data.draw(st.sampled_from(taken)), self.minute * MINUTE_NS))

    @invariant()
    def books_agree(self):
        balances = self.venue.balances()
        assert balances["USD"] == self.portfolio.cash
        assert balances.get("BTC", Decimal(0)) == self.portfolio.state(0).held(PAIR)

    @invariant()
    def nothing_is_owed(self):
        balances, free = self.venue.balances(), self.venue.available()
        for asset, total in balances.items():
            assert 0 <= free[asset] <= total

    @invariant()
    def open_orders_are_those_that_have_not_ended(self):
        listed = {open_order.client_order_id for open_order in self.venue.open_orders()}
        assert listed == {key for key, status in self.status.items() if not is_terminal(status)}


Trading.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestTrading = Trading.TestCase
