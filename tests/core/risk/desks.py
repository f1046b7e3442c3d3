"""A desk to be judged at, a book to buy from, and signals with a prediction behind them."""

from decimal import Decimal

import numpy as np

from gal_friday_core.config import RiskConfig
from gal_friday_core.instruments import Instrument
from gal_friday_core.portfolio import Portfolio
from gal_friday_core.reservations import Reservation, Reservations
from gal_friday_core.risk.desk import Desk
from tests.core.trading import COSTS, PAIR, fill

INSTRUMENT = Instrument(PAIR, price_tick=Decimal("0.01"), lot=Decimal("0.001"), min_quantity=Decimal("0.01"))
WIDE = {"max_daily_drawdown": 1, "max_weekly_drawdown": 1, "max_total_drawdown": 1}


def limits(**changes):
    """Half the equity a pair, six tenths in all, one per cent at risk, unless changed."""
    values = {"risk_per_trade": "0.01", "max_pair_exposure": "0.5", "max_total_exposure": "0.6"}
    return RiskConfig.model_validate({**values, **changes})


def portfolio(cash="10000", **positions):
    """Cash plus positions already bought at 100, marked at 100: `BTC="10"` holds 10 BTC."""
    held = Portfolio("USD", Decimal(cash), 0)
    for base, quantity in positions.items():
        held.flow(Decimal(quantity) * 100, 0)
        held.apply(fill(f"buy-{base}", "BUY", quantity, "100", pair=f"{base}/USD"))
    return held


def desk(held=None, **changes):
    state = (held or portfolio()).state(0)
    values = {"state": state, "instrument": INSTRUMENT, "limits": limits(), "costs": COSTS, "now_ns": 5}
    return Desk(**{"reservations": Reservations(), **values, **changes})


def reserved(key="r", side="BUY", quantity="10", price="100", pair=PAIR):
    return Reservation(
        signal_id=key,
        trading_pair=pair,
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee_rate=Decimal("0.01"),
    )


class Levels:
    """A book of (price, quantity) levels on both sides, in cents and thousandths."""

    price_decimals, qty_decimals = 2, 3

    def __init__(self, bids, asks):
        self.bid_prices, self.bid_quantities = self._columns(bids)
        self.ask_prices, self.ask_quantities = self._columns(asks)

    def columns(self):
        return self.bid_prices, self.bid_quantities, self.ask_prices, self.ask_quantities

    def _columns(self, levels):
        prices = [round(price * 10**self.price_decimals) for price, _ in levels]
        quantities = [round(quantity * 10**self.qty_decimals) for _, quantity in levels]
        return np.array(prices, np.int64), np.array(quantities, np.int64)
