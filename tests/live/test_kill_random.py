"""`kill -9` dozens of times at random moments: one account, one exchange, one journal, one engine after another.

Every life trades as fast as it can: the market rises into each target, and whoever holds nothing buys at the next bar. A
third of the lives is killed while they start, a third once they are ready, a third once they may trade, each at a moment
that is drawn. Afterwards the exchange and the journal must tell the same story.
"""

import random
import time
from collections import Counter
from decimal import Decimal

import pytest

from gal_friday_adapters.postgres.connect import connect
from tests.live.processes_world import NEAR_TARGET, Engines, serve, wait_for

SEED = 20_261_121
KILLS = 40
SPEED = 30
"""A bar closes every two seconds."""
LIFE_S = 3
"""The longest that an engine lives once it trades."""
BUSY_MACHINE = ("StorageError: the database did not make", "UNPROTECTED", "EXIT_STUCK")
"""Halts that a machine brings about which is too busy for a market at this speed."""
SETTINGS = {
    # On a busy machine a start alone would keep entries back for longer than most of these engines live.
    "GAL_FRIDAY__MONITORING__LOOP_LAG_S": "30",
    "GAL_FRIDAY__MONITORING__RECOVER_AFTER_S": "0",
    "GAL_FRIDAY__MONITORING__DATABASE_SILENCE_S": "10",
    "GAL_FRIDAY__RECONCILIATION__PAUSE_S": "0.2",
    "GAL_FRIDAY__RECONCILIATION__RETRY_S": "1",
    "GAL_FRIDAY__RISK__MAX_DAILY_DRAWDOWN": "1",
    "GAL_FRIDAY__RISK__MAX_WEEKLY_DRAWDOWN": "1",
    "GAL_FRIDAY__RISK__MAX_TOTAL_DRAWDOWN": "1",
}


@pytest.fixture
def market(tmp_path, nursery):
    """A running exchange, and its account with cash alone."""
    exchange, account, url = serve(tmp_path, speed=SPEED, spawn=nursery.spawn)
    account.sell_all("XXBT", "XBTUSD")
    yield account, url
    exchange.end()


@pytest.fixture
def engines(tmp_path, database_url, market, nursery):
    started = Engines(tmp_path, database_url, market[1], spawn=nursery.spawn, settings=SETTINGS)
    yield started
    started.end()


def resumed(engines, ready):
    """What an operator does where the machine was too busy."""
    if ready["halted"]:
        assert any(why in ready["halt_reason"] for why in BUSY_MACHINE), ready["halt_reason"]
        print("resumed after", ready["halt_reason"])
        ask = {"reason": "the machine was busy", "who": "ada"}
        wait_for("a resumption", lambda: engines.try_ask("resume", **ask)[1] is None, every_s=0.5)


def lived_and_died(engines, dice):
    """One life: whether it came to trade."""
    engine = engines.start(barriers=NEAR_TARGET)
    trades = dice.random() > 1 / 3
    if trades:
        resumed(engines, engine.told())
        if dice.random() > 1 / 2:
            engines.unblocked()
    time.sleep(dice.uniform(0, LIFE_S if trades else 1))  # the moment is what is drawn
    engine.kill()
    return trades


def settled(engines, account):
    """The engine's books once they are the exchange's to the last digit and everything held is under a stop."""

    def look():
        books = engines.ask("positions")
        held = sum((Decimal(position["quantity"]) for position in books["positions"].values()), Decimal(0))
        theirs = (account.balance("XXBT"), account.balance("ZUSD"), under_stops(account))
        return books if (held, Decimal(books["cash"]), held) == theirs else None

    return wait_for("the exchange's books", look, every_s=0.5)


def under_stops(account):
    """Base that the open stops would sell."""
    stops = [order for order in account.open_orders().values() if order["descr"]["ordertype"] == "stop-loss"]
    return sum((Decimal(order["vol"]) - Decimal(order["vol_exec"]) for order in stops), Decimal(0))


def journalled(database_url, kind):
    with connect(database_url) as connection:
        rows = connection.execute("select key, record from journal where kind = %s order by seq", (kind,))
        return rows.fetchall()


def test_after_forty_kills_orders_are_intents_and_books_are_the_exchanges(engines, market, database_url):
    account = market[0]
    dice = random.Random(SEED)
    traded = sum(lived_and_died(engines, dice) for _ in range(KILLS))

    last = engines.start(enters=False, barriers=NEAR_TARGET)
    resumed(engines, last.told())
    engines.unblocked()
    books = settled(engines, account)

    orders = Counter(order["cl_ord_id"] for order in account.every_order().values() if order.get("cl_ord_id"))
    intents = dict(journalled(database_url, "ORDER_INTENT"))
    assert max(orders.values()) == 1
    assert orders.keys() <= intents.keys()
    known = {order["client_order_id"]: order for order in engines.ask("orders", all=True)["orders"]}
    never_there = {key: known[key]["status"] for key in intents.keys() - orders.keys()}
    assert set(never_there.values()) <= {"EXPIRED", "REJECTED", "CANCELED", "ERROR"}, never_there
    signals = Counter(intent["signal_id"] for intent in intents.values() if intent["purpose"] == "ENTRY")
    assert max(signals.values()) == 1
    entries = [key for key, intent in intents.items() if intent["purpose"] == "ENTRY" and key in orders]
    assert traded > KILLS / 2
    assert len(entries) >= KILLS / 10, "they hardly traded: this would prove nothing"
    print(f"{KILLS} kills, {len(entries)} entries, {len(intents)} intents, {books['cash']} in cash")
