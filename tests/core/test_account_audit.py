"""An audit names every kind of difference, and takes no silence for an answer."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gal_friday_core.account import FillFacts, Flow, OrderFacts
from gal_friday_core.account_audit import QUESTIONS, Answers, BookedFill, OurBooks, audit, told
from gal_friday_core.reconciliation import OurOrder
from gal_friday_core.times import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS, from_iso

NOW = from_iso("2024-03-08")
SINCE = NOW - 7 * DAY_NS
PAIR = "BTC/USD"
ANSWER = {"open_orders": "open_orders", "orders": "found", "instruments": "smallest"}


def d(text):
    return Decimal(text)


def ours():
    """Bought 2, sold half, two stops; 500 deposited; an entry rests."""
    return OurBooks(
        quote="USD",
        opened_ns=SINCE - DAY_NS,
        orders=(_order("stop-1", "O2", "0.5", trigger="90"), _order("stop-2", "O3", "0.5", trigger="90"),
                _order("entry", "O4", "1", limit="80")),
        fills=(_fill("T1", "BUY", "2", "100", "0.4"), _fill("T2", "SELL", "1", "110", "0.22", hours=3)),
        flows=(
            Flow(flow_id="opening:USD", kind="TRANSFER", asset="USD", amount=d("1000"), timestamp=SINCE - DAY_NS),
            Flow(flow_id="L1", kind="DEPOSIT", asset="USD", amount=d("500"), timestamp=SINCE + HOUR_NS),
        ),
        balances={"USD": d("1409.38"), "BTC": d("1")},
        protected={PAIR: d("1")},
    )  # fmt: skip


def theirs():
    """The same, as the exchange tells it."""
    side = ours()
    return Answers(
        read_ns=NOW,
        since_ns=SINCE,
        open_orders=tuple(_facts(order) for order in side.orders),
        found={},
        fills=tuple(_facts_of_fill(fill) for fill in side.fills),
        flows=side.flows[1:],
        balances=dict(side.balances),
        smallest={PAIR: d("0.0001")},
    )


def _order(name, number, quantity, *, limit=None, trigger=None, status="NEW"):
    return OurOrder(
        client_order_id=name, exchange_order_id=number, trading_pair=PAIR, status=status, quantity=d(quantity),
        filled=d("0"), updated_at=NOW - HOUR_NS, limit_price=limit and d(limit), trigger_price=trigger and d(trigger),
    )  # fmt: skip


def _facts(order):
    stop = order.trigger_price is not None
    return OrderFacts(
        exchange_order_id=order.exchange_order_id, client_order_id=order.client_order_id, trading_pair=PAIR,
        side="SELL" if stop else "BUY", order_type="STOP_LOSS" if stop else "LIMIT", status="NEW",
        quantity=order.quantity, filled=d("0"), opened_at=order.updated_at, limit_price=order.limit_price,
        trigger_price=order.trigger_price,
    )  # fmt: skip


def _fill(name, side, quantity, price, fee, *, hours=2):
    return BookedFill(
        execution_id=name, client_order_id=f"order-{name}", trading_pair=PAIR, side=side, quantity=d(quantity),
        price=d(price), fee=d(fee), fee_asset="USD", timestamp=SINCE + hours * HOUR_NS,
    )  # fmt: skip


def _facts_of_fill(fill):
    return FillFacts(
        execution_id=fill.execution_id, exchange_order_id=f"O-{fill.execution_id}",
        client_order_id=fill.client_order_id, trading_pair=fill.trading_pair, side=fill.side, order_type="MARKET",
        quantity=fill.quantity, price=fill.price, fee=fill.fee, fee_asset="USD", timestamp=fill.timestamp,
    )  # fmt: skip


def codes(our_side, their_side, **options):
    return sorted(finding.code for finding in audit(our_side, their_side, **options).findings)


def _told_other(**changes):
    """Of the first fill the exchange says otherwise; its balances are the ones that follow from our books."""

    def plant(side, there):
        first, *rest = there.fills
        return side, replace(there, fills=(replace(first, **changes), *rest))

    return plant


def _without_stop(side, there):
    return side, replace(there, open_orders=there.open_orders[1:], found={"stop-1": None})


def _ended_stop(side, there):
    facts = replace(there.open_orders[0], status="CANCELED", closed_at=NOW - HOUR_NS)
    return side, replace(there, open_orders=there.open_orders[1:], found={"stop-1": facts})


def _moved_stop(side, there):
    first, *rest = there.open_orders
    return side, replace(there, open_orders=(replace(first, trigger_price=d("95")), *rest))


def _strange_order(side, there):
    strange = replace(there.open_orders[2], exchange_order_id="O9", client_order_id="by-hand")
    return side, replace(there, open_orders=(*there.open_orders, strange))


def _lost_intent(side, there):
    lost = replace(side.orders[2], client_order_id="lost", exchange_order_id=None, status="UNKNOWN")
    return replace(side, orders=(*side.orders, lost)), replace(there, found={"lost": None})


def _fill_we_never_booked(side, there):
    more = replace(there.fills[0], execution_id="T3", quantity=d("0.1"), timestamp=NOW - HOUR_NS)
    balances = {"USD": d("1398.98"), "BTC": d("1.1")}
    return side, replace(there, fills=(*there.fills, more), balances=balances)


def _fill_booked_twice(side, there):
    twice = replace(side.fills[0], execution_id="T1-again", timestamp=side.fills[0].timestamp + SECOND_NS)
    balances = {"USD": d("1208.98"), "BTC": d("3")}
    return replace(side, fills=(*side.fills, twice), balances=balances), there


def _fill_that_never_was(side, there):
    invented = replace(side.fills[0], execution_id="T9", quantity=d("0.3"), fee=d("0.06"))
    balances = {"USD": d("1379.32"), "BTC": d("1.3")}
    return replace(side, fills=(*side.fills, invented), balances=balances), there


def _flow_we_never_booked(side, there):
    more = Flow(flow_id="L2", kind="WITHDRAWAL", asset="USD", amount=d("-50"), timestamp=NOW - HOUR_NS)
    balances = there.balances | {"USD": d("1359.38")}
    return side, replace(there, flows=(*there.flows, more), balances=balances)


def _flow_that_never_was(side, there):
    return side, replace(there, flows=(), balances=there.balances | {"USD": d("909.38")})


def _other_flow(side, there):
    flows = (replace(there.flows[0], amount=d("400")),)
    return side, replace(there, flows=flows, balances=there.balances | {"USD": d("1309.38")})


def _money_is_gone(side, there):
    return side, replace(there, balances=there.balances | {"USD": d("1409.37")})


def _account_is_empty(side, there):
    return side, replace(there, balances={})


def _other_coin(side, there):
    return side, replace(there, balances=there.balances | {"XMR": d("3"), "ETH": d("0")})


PLANTS = {
    "missing order, and the stop it was": (_without_stop, ["MISSING_ORDER", "UNPROTECTED"]),
    "order that ended there": (_ended_stop, ["ORDER_ENDED", "UNPROTECTED"]),
    "order on other terms": (_moved_stop, ["ORDER_DIFFERS"]),
    "order of nobody here": (_strange_order, ["EXTRA_ORDER"]),
    "order that never arrived": (_lost_intent, ["MISSING_ORDER"]),
    "missing fill": (_fill_we_never_booked, ["MISSING_FILL"]),
    "doubled fill": (_fill_booked_twice, ["DOUBLED_FILL"]),
    "invented fill": (_fill_that_never_was, ["EXTRA_FILL"]),
    "wrong quantity": (_told_other(quantity=d("1.5")), ["BALANCE_DIFFERS", "BALANCE_DIFFERS", "FILL_DIFFERS"]),
    "wrong price": (_told_other(price=d("101")), ["BALANCE_DIFFERS", "FILL_DIFFERS"]),
    "wrong fee": (_told_other(fee=d("0.5")), ["BALANCE_DIFFERS", "FILL_DIFFERS"]),
    "wrong fee asset": (_told_other(fee_asset="BTC"), ["BALANCE_DIFFERS", "BALANCE_DIFFERS", "FILL_DIFFERS"]),
    "wrong side": (_told_other(side="SELL"), ["BALANCE_DIFFERS", "BALANCE_DIFFERS", "FILL_DIFFERS"]),
    "wrong value": (_told_other(cost=d("200.01")), ["BALANCE_DIFFERS", "FILL_DIFFERS"]),
    "missing flow": (_flow_we_never_booked, ["MISSING_FLOW"]),
    "invented flow": (_flow_that_never_was, ["EXTRA_FLOW"]),
    "flow of another amount": (_other_flow, ["FLOW_DIFFERS"]),
    "balance off by a cent": (_money_is_gone, ["BALANCE_DIFFERS"]),
    "an empty account": (_account_is_empty, ["BALANCE_DIFFERS", "BALANCE_DIFFERS"]),
    "unknown asset": (_other_coin, ["UNKNOWN_ASSET"]),
}  # fmt: skip


def test_sound_books_agree():
    found = audit(ours(), theirs())
    assert (found.verdict, found.findings, found.unknown) == ("AGREES", (), {})


@pytest.mark.parametrize("name", PLANTS)
def test_every_planted_difference_is_found_and_nothing_else(name):
    plant, expected = PLANTS[name]
    found = audit(*plant(ours(), theirs()))
    assert sorted(finding.code for finding in found.findings) == expected
    assert found.verdict == "DIFFERS"
    assert all(finding.about and finding.text for finding in found.findings)


def test_a_fill_whose_terms_differ_explains_the_balance_that_follows_from_them():
    side, there = _told_other(fee=d("0.5"))(ours(), theirs())
    balances = there.balances | {"USD": d("1409.28")}
    assert codes(side, replace(there, balances=balances)) == ["FILL_DIFFERS"]


def test_an_order_with_news_too_young_is_not_missed_yet():
    side, there = _without_stop(ours(), theirs())
    young = tuple(replace(order, updated_at=NOW - SECOND_NS) for order in side.orders)
    assert codes(replace(side, orders=young), there, young_ns=MINUTE_NS) == ["UNPROTECTED"]


def test_an_asset_that_somebody_named_is_not_told():
    assert codes(*_other_coin(ours(), theirs()), known_assets=frozenset({"XMR"})) == []


def test_what_the_exchange_counts_more_finely_than_is_booked_agrees():
    there = theirs()
    finer = there.balances | {"USD": there.balances["USD"] + d("0.000000004")}
    assert codes(ours(), replace(there, balances=finer)) == []
    coarser = there.balances | {"USD": there.balances["USD"] + d("0.00000001")}
    assert codes(ours(), replace(there, balances=coarser)) == ["BALANCE_DIFFERS"]


def test_what_is_too_small_for_an_order_needs_no_stop():
    side = replace(ours(), protected={PAIR: d("1.00005")})
    assert codes(side, theirs()) == []
    assert codes(replace(side, protected={PAIR: d("1.0002")}), theirs()) == ["UNPROTECTED"]


@pytest.mark.parametrize("edge", [SINCE + SECOND_NS, NOW - SECOND_NS])
def test_a_fill_at_the_edge_of_what_was_read_is_not_missed(edge):
    own = replace(_fill("T7", "BUY", "0.1", "100", "0"), timestamp=edge)
    side = ours()
    assert "EXTRA_FILL" not in codes(replace(side, fills=(*side.fills, own)), theirs())


def test_a_trade_of_others_on_a_foreign_pair_is_booked_as_the_money_it_moved():
    foreign = replace(_facts_of_fill(_fill("T8", "BUY", "1", "50", "0")), trading_pair="XMR/USD")
    there = replace(theirs(), fills=(*theirs().fills, foreign))
    moved = Flow(
        flow_id="trade:T8:USD", kind="TRANSFER", asset="USD", amount=d("-50"), timestamp=SINCE + HOUR_NS
    )
    side = ours()
    booked = replace(
        side, flows=(*side.flows, moved), balances=side.balances | {"USD": side.balances["USD"] - 50}
    )
    there = replace(there, balances=dict(booked.balances))
    assert codes(booked, there) == []
    assert codes(side, there) == ["MISSING_FILL"]


@given(st.sets(st.sampled_from(QUESTIONS), min_size=1))
def test_what_was_not_answered_is_unknown_and_never_flat(failed):
    there = theirs()
    silent = {ANSWER.get(name, name): None for name in failed}
    found = audit(ours(), replace(there, failures=dict.fromkeys(failed, "EService:Unavailable"), **silent))
    assert found.verdict == "UNKNOWN"
    assert found.findings == ()
    assert set(found.unknown) == failed
    for line in told(found)["balances"]:
        assert (line["there"] == "unknown") == ("balances" in failed)


@pytest.mark.parametrize("name", PLANTS)
@pytest.mark.parametrize("failed", QUESTIONS)
def test_a_difference_beside_a_silence_is_never_an_agreement(name, failed):
    side, there = PLANTS[name][0](ours(), theirs())
    silent = {ANSWER.get(failed, failed): None}
    found = audit(side, replace(there, failures={failed: "no answer"}, **silent))
    assert found.verdict in ("DIFFERS", "UNKNOWN")
    assert failed in found.unknown
    assert {finding.code for finding in found.findings} <= set(PLANTS[name][1])
