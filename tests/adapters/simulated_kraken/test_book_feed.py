import json
from binascii import crc32
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gal_friday_adapters.simulated_kraken.book_feed import BookView, checksum
from gal_friday_adapters.simulated_kraken.session import flipped

DEPTH = 10
Levels = dict[Decimal, Decimal]


def best(side: Levels, *, bids: bool) -> list[tuple[Decimal, Decimal]]:
    return sorted(side.items(), reverse=bids)


class Client:
    """A book kept as Kraken's guide says; `eager` cuts after each level, as python-kraken-sdk does."""

    def __init__(self, *, eager: bool) -> None:
        self.eager = eager
        self.bids: Levels = {}
        self.asks: Levels = {}

    def take(self, message: bytes) -> int:
        data = json.loads(message, parse_float=Decimal, parse_int=Decimal)["data"][0]
        for name, side in (("bids", self.bids), ("asks", self.asks)):
            for level in data[name]:
                self._set(side, level["price"], level["qty"])
                if self.eager:
                    self._cut(side, bids=name == "bids")
            self._cut(side, bids=name == "bids")
        return int(data["checksum"])

    def _set(self, side: Levels, price: Decimal, quantity: Decimal) -> None:
        if quantity:
            side[price] = quantity
        else:
            side.pop(price, None)

    def _cut(self, side: Levels, *, bids: bool) -> None:
        for price, _ in best(side, bids=bids)[DEPTH:]:
            del side[price]

    def checksum(self) -> int:
        digits = ""
        for side, is_bids in ((self.asks, False), (self.bids, True)):
            for price, quantity in best(side, bids=is_bids)[:10]:
                digits += str(int(price * 10)) + str(int(quantity * 10**8))
        return crc32(digits.encode())


prices = st.integers(min_value=1, max_value=40)
changes = st.lists(
    st.lists(st.tuples(st.booleans(), prices, st.integers(min_value=0, max_value=3)), max_size=8), max_size=12
)


@given(changes=changes, eager=st.booleans())
def test_every_client_that_follows_has_the_same_book_and_checksum(changes, eager: bool):
    bids: Levels = {Decimal(price) / 10: Decimal(1) for price in range(1, 30)}
    asks: Levels = {100 + Decimal(price) / 10: Decimal(1) for price in range(1, 30)}
    view = BookView("BTC/USD", DEPTH, 1, 8)
    view.show(best(bids, bids=True), best(asks, bids=False))
    client = Client(eager=eager)
    assert client.take(view.snapshot("t")) == client.checksum()
    for batch in changes:
        for is_bid, price, quantity in batch:
            side, start = (bids, 0) if is_bid else (asks, 100)
            side.pop(start + Decimal(price) / 10, None)
            if quantity:
                side[start + Decimal(price) / 10] = Decimal(quantity)
        message = view.update(best(bids, bids=True), best(asks, bids=False), "t")
        if message is not None:
            assert client.take(message) == client.checksum()
        assert best(client.bids, bids=True) == best(bids, bids=True)[:DEPTH]
        assert best(client.asks, bids=False) == best(asks, bids=False)[:DEPTH]


def test_checksum_equals_the_worked_example_of_a_real_capture():
    asks = (
        "29430.3/8.25215653 29430.4/2.55637606 29430.5/0.29975980 29430.9/2.56473216 29431.0/0.00011662 "
        "29431.1/0.00100000 29432.3/0.02410000 29432.4/0.02210682 29432.5/3.39761477 29433.1/0.01021497"
    )
    bids = (
        "29430.2/0.18967538 29429.6/0.00011621 29427.4/0.00100000 29426.7/4.00000000 29425.7/0.67945399 "
        "29423.5/0.67950478 29422.1/0.16314267 29421.8/0.06797895 29421.7/0.23401846 29421.5/0.28639276"
    )
    sides = [dict(level.split("/") for level in text.split()) for text in (bids, asks)]
    assert checksum(*sides) == 2785033588


def test_an_unchanged_book_sends_nothing():
    view = BookView("BTC/USD", DEPTH, 1, 8)
    levels = [(Decimal(1), Decimal(1))]
    view.show(levels, [])
    assert view.update(levels, [], "t") is None


def test_flipped_checksum_is_another_checksum_in_the_same_message():
    view = BookView("BTC/USD", DEPTH, 1, 8)
    view.show([(Decimal(1), Decimal(1))], [(Decimal(2), Decimal(1))])
    message = view.snapshot("t")
    true, false = json.loads(message), json.loads(flipped(message))
    assert true["data"][0].pop("checksum") != false["data"][0].pop("checksum")
    assert true == false
