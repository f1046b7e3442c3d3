from gal_friday_core.experiments.trades import Trade, Turn, earned, trades_of

PAIR = "BTC/USD"


def intent(order, model_id, ts):
    return "ORDER_INTENT", ts, {"client_order_id": order, "model_id": model_id, "purpose": "ENTRY"}


def fill(order, ts, quantity, cost, **told):
    """Told: profit by this fill and by all so far, its fee and all so far."""
    realized, total, fee, fees = (told.get(name, "0") for name in ("realized", "total", "fee", "fees"))
    return "FILL", ts, {
        "client_order_id": order, "pair": PAIR, "price": "100", "fee": fee, "fee_asset": told.get("asset", "USD"),
        "realized": realized, "position_quantity": quantity, "position_cost": cost, "position_realized": total,
        "position_fees": fees,
    }  # fmt: skip


ROUND_TRIP = [
    intent("a", "m@v1", 10),
    fill("a", 11, "0.5", "50", fee="0.1", total="7", fees="3.1"),
    fill("a", 12, "1", "100", fee="0.1", total="7", fees="3.2"),
    intent("b", "m@v1", 20),
    fill("b", 21, "0", "0", realized="5", total="12", fee="0.2", fees="3.4"),
]


def test_trade_is_from_flat_to_flat_and_pays_its_own_fees_only():
    (trade,) = trades_of(ROUND_TRIP)
    assert trade == Trade(pair=PAIR, model_id="m@v1", decided_ns=10, net_return=0.046)


def test_fee_in_what_was_bought_is_worth_its_price():
    fills = [
        fill("a", 11, "1", "100", fee="0.001", asset="BTC", fees="0.1"),
        fill("b", 21, "0", "0", realized="5", total="5", fee="0.2", fees="0.3"),
    ]
    assert trades_of([ROUND_TRIP[0], *fills])[0].net_return == 0.047


def test_later_trade_does_not_inherit_what_was_earned_before():
    again = [
        intent("c", "m@v2", 30),
        fill("c", 31, "1", "100", total="12", fee="0.2", fees="3.6"),
        fill("d", 41, "0", "0", realized="-1", total="11", fee="0.2", fees="3.8"),
    ]
    trade = trades_of(ROUND_TRIP + again)[1]
    assert (trade.model_id, trade.net_return) == ("m@v2", -0.014)


def test_trade_under_way_has_no_return_and_one_of_nobody_is_left_out():
    assert trades_of(ROUND_TRIP[:3])[0].net_return is None
    assert trades_of([fill("x", 1, "1", "100"), fill("y", 2, "0", "0")]) == []


def test_sale_of_what_was_held_before_opens_no_trade_also_where_it_is_filled_in_parts():
    sale = "ORDER_INTENT", 20, {"client_order_id": "b", "model_id": "m@v1", "purpose": "EXIT"}
    lines = [
        sale,
        fill("b", 21, "0.5", "50", realized="5", total="5", fee="0.1", fees="0.2"),
        fill("b", 22, "0", "0", realized="5", total="10", fee="0.1", fees="0.3"),
    ]
    assert trades_of(lines) == []


def turns(count):
    return [Turn(unit=f"u{at}", pair=PAIR, model_id=f"m@v{at % 2 + 1}", at_ns=at * 10) for at in range(count)]


def trade(decided, model_id, net_return):
    return Trade(pair=PAIR, model_id=model_id, decided_ns=decided, net_return=net_return)


def test_units_get_what_their_trades_earned_and_zero_without_any():
    trades = [trade(1, "m@v1", 0.5), trade(22, "m@v1", -0.25), trade(24, "m@v1", 0.125)]
    assert earned(turns(4), trades, unit_ns=10, until_ns=40) == {
        "u0": 0.5,
        "u1": 0.0,
        "u2": -0.125,
        "u3": 0.0,
    }


def test_units_that_are_not_over_wait_and_so_does_all_behind_an_open_trade():
    assert list(earned(turns(4), [], unit_ns=10, until_ns=35)) == ["u0", "u1", "u2"]
    assert list(earned(turns(4), [trade(11, "m@v2", None)], unit_ns=10, until_ns=100)) == ["u0"]


def test_order_that_left_late_belongs_to_the_unit_of_its_own_model():
    assert earned(turns(4), [trade(31, "m@v1", 1.0)], unit_ns=10, until_ns=100)["u2"] == 1.0
    assert sum(earned(turns(4), [trade(31, "other", 1.0)], unit_ns=10, until_ns=100).values()) == 0
