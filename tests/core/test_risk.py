"""The pre-trade check: sizing, limits, refusals, and what reservations count."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gal_friday_core.config import CostsConfig, RiskConfig
from gal_friday_core.errors import ContractError
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import CENT, ZERO
from gal_friday_core.portfolio import Portfolio
from gal_friday_core.reservations import Reservation, Reservations
from gal_friday_core.risk.check import check
from gal_friday_core.risk.codes import Approved, Rejected
from gal_friday_core.risk.desk import Desk
from gal_friday_core.risk.sizing import loss_per_unit
from gal_friday_core.times import DAY_NS
from tests.core.trading import COSTS, PAIR, fill, signal

INSTRUMENT = Instrument(PAIR, price_tick=Decimal("0.01"), lot=Decimal("0.001"), min_quantity=Decimal("0.01"))
LIMITS = RiskConfig(
    risk_per_trade=Decimal("0.01"), max_pair_exposure=Decimal("0.5"), max_total_exposure=Decimal("0.6")
)


def portfolio(cash="10000", **positions):
    """Cash plus positions already bought at 100, marked at 100: `BTC="10"` holds 10 BTC."""
    held = Portfolio("USD", Decimal(cash), 0)
    for base, quantity in positions.items():
        held.flow(Decimal(quantity) * 100, 0)
        held.apply(fill(f"buy-{base}", "BUY", quantity, "100", pair=f"{base}/USD"))
    return held


def desk(held=None, **changes):
    state = (held or portfolio()).state(0)
    values = {"state": state, "instrument": INSTRUMENT, "limits": LIMITS, "costs": COSTS, "now_ns": 5}
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


def code(verdict):
    return verdict.code if isinstance(verdict, Rejected) else verdict.checks.get("capped_by", "sell")


def test_stop_costs_the_fraction_that_is_risked():
    verdict = check(signal(stop="80"), desk())
    loss = Decimal("100.1") - Decimal("79.92") + Decimal("0.01") * (Decimal("100.1") + Decimal("79.92"))
    assert loss_per_unit(Decimal("100.1"), Decimal(80), COSTS) == loss
    assert verdict.quantity == Decimal("4.549")  # 100 USD of risk / 21.9802 lost a unit
    assert (Decimal("4.549") * loss) <= 100 < Decimal("4.550") * loss
    assert code(verdict) == "risk_per_trade"


def test_wide_size_is_capped_by_the_pair_exposure():
    verdict = check(signal(stop="99"), desk(limits=LIMITS.model_copy(update={"risk_per_trade": Decimal(1)})))
    assert verdict.quantity == Decimal("49.950")  # 5,000 USD at 100.1
    assert code(verdict) == "EXCEEDS_MAX_EXPOSURE"


def test_cash_caps_the_size_after_its_fee():
    limits = RiskConfig(
        risk_per_trade=Decimal(1), max_pair_exposure=Decimal(1), max_total_exposure=Decimal(1)
    )
    verdict = check(signal(stop="99"), desk(limits=limits))
    assert verdict.quantity == Decimal("98.910")  # 10,000 USD / (100.1 x 1.01)
    assert verdict.reservation.cash <= 10000
    verdict = check(signal(stop="99"), desk(limits=limits, reservations=Reservations([reserved()])))
    assert verdict.quantity == Decimal("88.920")  # another 1,010 USD are taken


@pytest.mark.parametrize(
    ("proposed", "changes", "reason"),
    [
        (signal(), {"trading": "HALTED"}, "HALTED"),
        (signal(), {"market_fault": "no verified book"}, "MARKET_DATA_UNVERIFIED"),
        (signal(expires_at=4), {}, "STALE_SIGNAL"),
        (signal(), {"reservations": Reservations([reserved("s")])}, "DUPLICATE_SIGNAL"),
        (signal(stop=None), {}, "MISSING_STOP"),
        (signal(stop="100"), {}, "INVALID_PROTECTION"),
        (signal(stop="101"), {}, "INVALID_PROTECTION"),
        (signal(target="100.05"), {}, "INVALID_PROTECTION"),
        (signal(side="SELL", stop=None, target=None), {}, "NOTHING_TO_SELL"),
        (signal(side="SELL", stop="105"), {}, "NO_SHORTS"),
        (signal(), {"reservations": Reservations([reserved(quantity="50")])}, "EXCEEDS_MAX_EXPOSURE"),
        (
            signal(),
            {"reservations": Reservations([reserved(quantity="60", pair="ETH/USD")])},
            "EXCEEDS_MAX_EXPOSURE",
        ),
        (
            signal(stop="50"),
            {"limits": LIMITS.model_copy(update={"min_order_value": Decimal(500)})},
            "BELOW_MINIMUM",
        ),
    ],
)
def test_buy_or_sell_is_refused_with_its_code(proposed, changes, reason):
    assert code(check(proposed, desk(**changes))) == reason


def test_no_money_is_insufficient_funds():
    held = portfolio("1000")
    held.apply(fill("eth", "BUY", "9.99", "100", pair="ETH/USD"))
    limits = RiskConfig(max_pair_exposure=Decimal(1), max_total_exposure=Decimal(1))
    assert check(signal(), desk(held, limits=limits)).code == "INSUFFICIENT_FUNDS"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("max_daily_drawdown", "DAILY_DRAWDOWN_LIMIT_HIT"),
        ("max_weekly_drawdown", "WEEKLY_DRAWDOWN_LIMIT_HIT"),
        ("max_total_drawdown", "TOTAL_DRAWDOWN_LIMIT_HIT"),
    ],
)
def test_drawdown_stops_buys_but_not_sells(name, reason):
    held = portfolio("9000", BTC="10")
    held.mark(PAIR, Decimal(90), 1)  # equity falls from 10,000 to 9,900
    wide = dict.fromkeys(("max_daily_drawdown", "max_weekly_drawdown", "max_total_drawdown"), Decimal(1))
    limits = LIMITS.model_copy(update={**wide, name: Decimal("0.0099")})
    buying = check(signal(), desk(held, limits=limits))
    assert (buying.code, buying.details) == (reason, {"limit": "0.0099", "value": "0.01", "over": "0.0001"})
    assert check(signal(side="SELL", stop=None), desk(held, limits=limits, trading="HALTED")).quantity == 10


def test_drawdown_at_its_limit_still_trades():
    held = portfolio("9000", BTC="10")
    held.mark(PAIR, Decimal(90), 1)
    limits = LIMITS.model_copy(update={"max_daily_drawdown": Decimal("0.01")})
    assert isinstance(check(signal(), desk(held, limits=limits)), Approved)


def test_sell_takes_what_no_other_sell_takes():
    held = portfolio("9000", BTC="10")
    pending = Reservations([reserved("x", "SELL", "4")])
    assert check(signal(side="SELL", stop=None), desk(held, reservations=pending)).quantity == 6
    pending.reserve(reserved("y", "SELL", "6"))
    assert check(signal(side="SELL", stop=None), desk(held, reservations=pending)).code == "NOTHING_TO_SELL"


def test_pending_sells_make_no_room_for_buys():
    held = portfolio("5000", BTC="50")
    limits = LIMITS.model_copy(update={"max_pair_exposure": Decimal("0.5")})
    pending = Reservations([reserved("x", "SELL", "50")])
    assert check(signal(), desk(held, limits=limits, reservations=pending)).code == "EXCEEDS_MAX_EXPOSURE"


def test_reservation_follows_its_order():
    held = Reservations([reserved("signal-a", quantity="10")])
    part = fill("a", "BUY", "4", "100")
    part = replace_report(part, order_status="PARTIALLY_FILLED", quantity_ordered=Decimal(10))
    held.on_report(part)
    assert held.buying(PAIR) == 600
    held.on_report(replace_report(part, side="SELL", order_status="FILLED"))  # the entry's own stop
    assert held.cash() == 606
    held.on_report(replace_report(part, order_status="UNKNOWN"))
    assert held.buying() == 600
    held.on_report(replace_report(part, order_status="CANCELED"))
    assert len(held) == 0


def test_signal_is_reserved_once():
    held = Reservations([reserved()])
    with pytest.raises(ContractError, match="approve it once"):
        held.reserve(reserved())


def replace_report(report, **changes):
    return type(report)(**{**{name: getattr(report, name) for name in report.__struct_fields__}, **changes})


money = st.decimals("10", "1000000", places=2)
fraction = st.decimals("0", "1", places=3)


@st.composite
def worlds(draw):
    """A desk with positions, marks, pending orders of both sides, and a signal to be judged."""
    held = Portfolio("USD", draw(money), 0)
    for pair in (PAIR, "ETH/USD"):
        quantity = draw(st.decimals("0", "50", places=3))
        price = draw(st.decimals("1", "500", places=2))
        if quantity and quantity * price < held.cash:
            held.apply(fill(f"b-{pair}", "BUY", str(quantity), str(price), pair=pair))
            held.mark(pair, draw(st.decimals("1", "500", places=2)), 1)
    pending = Reservations()
    for i in range(draw(st.integers(0, 4))):
        pending.reserve(
            reserved(
                f"p{i}",
                draw(st.sampled_from(["BUY", "SELL"])),
                str(draw(st.decimals("0", "30", places=3))),
                str(draw(st.decimals("1", "500", places=2))),
                draw(st.sampled_from([PAIR, "ETH/USD"])),
            )
        )
    limits = RiskConfig(
        risk_per_trade=draw(fraction), max_pair_exposure=draw(fraction), max_total_exposure=draw(fraction),
        max_daily_drawdown=Decimal(1), max_weekly_drawdown=Decimal(1), max_total_drawdown=Decimal(1),
    )  # fmt: skip
    costs = CostsConfig(
        taker_fee=draw(st.decimals("0", "0.02", places=4)), slippage=draw(st.decimals("0", "0.02", places=4))
    )
    price = draw(st.decimals("2", "500", places=2))
    stop = draw(st.decimals("1", str(price - Decimal("0.01")), places=2))
    proposed = signal(
        side=draw(st.sampled_from(["BUY", "BUY", "BUY", "SELL"])), price=str(price), stop=str(stop),
        target=None, limit=draw(st.sampled_from([None, None, str(price)])),
    )  # fmt: skip
    return proposed, desk(held, limits=limits, costs=costs, reservations=pending)


@given(worlds())
def test_no_approval_ever_breaks_a_limit(world):
    proposed, on = world
    verdict = check(proposed, on)
    if isinstance(verdict, Rejected):
        return
    assert INSTRUMENT.fits_quantity(verdict.quantity)
    on.reservations.reserve(verdict.reservation)
    if proposed.side == "SELL":
        assert on.reservations.selling(PAIR) <= on.state.held(PAIR)
        return
    worth = {pair: max(position.market_value, ZERO) for pair, position in on.state.positions.items()}
    equity, limits = on.state.total_equity, on.limits
    assert worth.get(PAIR, ZERO) + on.reservations.buying(PAIR) <= equity * limits.max_pair_exposure + CENT
    assert sum(worth.values()) + on.reservations.buying() <= equity * limits.max_total_exposure + CENT
    assert on.reservations.cash() <= on.state.cash + CENT
    entry = verdict.reservation.price
    assert verdict.quantity * loss_per_unit(entry, proposed.proposed_sl_price, on.costs) <= (
        equity * limits.risk_per_trade + CENT
    )
    assert verdict.quantity * entry >= limits.min_order_value


@given(worlds())
def test_check_changes_nothing(world):
    proposed, on = world
    before = (on.state, on.reservations.cash(), len(on.reservations))
    assert check(proposed, on) == check(proposed, on)
    assert (on.state, on.reservations.cash(), len(on.reservations)) == before


def test_halt_is_not_lifted_by_a_later_day():
    held = portfolio()
    on = replace(desk(held), state=held.state(DAY_NS), trading="HALTED")
    assert check(signal(), on).code == "HALTED"
