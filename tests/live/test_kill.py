"""`kill -9` of a real engine at every boundary of an order's way, against a real `exchange serve`, and its restart.

Each test lets an engine trade until a chosen moment (`processes_engine.MOMENTS`), at which the whole process stands
still; it is killed there, and another one is started on the same account and database. Whatever the moment, the
exchange then has at most that one order, position and cash are what the exchange says, and the position is protected.
"""

import shutil
import signal
from decimal import Decimal

import pytest

from tests.live import processes_world
from tests.live.processes_engine import MOMENTS
from tests.live.processes_world import NEAR_TARGET, Engines, Process, serve, wait_for


@pytest.fixture
def market(tmp_path, nursery):
    """A running exchange, and its account with cash alone."""
    exchange, account, url = serve(tmp_path, spawn=nursery.spawn)
    account.sell_all("XXBT", "XBTUSD")
    yield exchange, account, url
    exchange.end()


@pytest.fixture
def account(market):
    return market[1]


@pytest.fixture
def engines(tmp_path, database_url, market, nursery):
    started = Engines(tmp_path, database_url, market[2], spawn=nursery.spawn)
    yield started
    started.end()


@pytest.fixture
def engines_from_nothing(tmp_path, database_url, market):
    """Each is the program as a user starts it."""
    started = Engines(tmp_path, database_url, market[2], spawn=Process)
    yield started
    started.end()


def bought(account):
    """Our entries at the exchange, open or ended, by client order id."""
    orders = account.orders().values()
    return {order["cl_ord_id"]: order for order in orders if order["descr"]["type"] == "buy"}


def protected(account):
    """Base that the open protective stops would sell."""
    stops = [order for order in account.open_orders().values() if order["descr"]["ordertype"] == "stop-loss"]
    assert all(order["descr"]["type"] == "sell" for order in stops)
    return sum((Decimal(order["vol"]) - Decimal(order["vol_exec"]) for order in stops), Decimal(0))


def sold(account):
    """Base that orders of the engine sold; it gives each its client order id."""
    orders = account.orders().values()
    return sum(
        (Decimal(o["vol_exec"]) for o in orders if o["descr"]["type"] == "sell" and "cl_ord_id" in o),
        Decimal(0),
    )


def agrees(engines, account):
    """What the engine says once nothing keeps entries back; its books and the exchange's must be the same."""
    engines.unblocked()

    def look():
        books = engines.ask("positions")
        held = sum((Decimal(position["quantity"]) for position in books["positions"].values()), Decimal(0))
        theirs = (account.balance("XXBT"), account.balance("ZUSD"), protected(account))
        return books if (held, Decimal(books["cash"]), held) == theirs else None

    return wait_for("the same books as the exchange's", look, every_s=0.5)


def entries(engines):
    """Every entry that the engine knows of."""
    return [order for order in engines.ask("orders", all=True)["orders"] if order["purpose"] == "ENTRY"]


def copied(models, folder):
    """A data directory with the same models."""
    shutil.copytree(models / "artifacts", folder / "artifacts")
    return folder


def killed_at(moment, engines, **options):
    """An engine that stood still at a moment, and was killed there."""
    engine = engines.start(moment, **options)
    engine.stands_still()
    engine.kill()


def test_killed_between_intent_and_sending_leaves_no_order_and_sends_none_later(engines, account):
    killed_at("intent", engines)
    assert bought(account) == {}
    engines.start(
        enters=False, deadline_s=0.5
    ).told()  # the sooner it is certain that the order never arrived
    books = agrees(engines, account)
    assert bought(account) == {}
    assert books["positions"] == {}
    (lost,) = entries(engines)
    assert lost["status"] == "EXPIRED"
    assert "NEVER_ARRIVED" in lost["reason"]


@pytest.mark.parametrize(
    "moment", ["sent", "answered", "acknowledged", "filled", "fill_reported", "booked", "stop_seen"]
)
def test_killed_on_its_way_the_order_is_there_once_booked_and_protected(moment, engines, account):
    killed_at(moment, engines)
    wait_for("the order at the exchange", lambda: bought(account))
    engines.start(enters=True).told()  # may enter, and must not: the position is there
    books = agrees(engines, account)
    (entry,) = bought(account).values()
    assert entry["status"] == "closed"
    position = books["positions"]["BTC/USD"]
    assert Decimal(position["quantity"]) == Decimal(entry["vol_exec"]) == protected(account) > 0
    (known,) = entries(engines)
    assert (known["client_order_id"], known["status"]) == (entry["cl_ord_id"], "FILLED")


def test_killed_again_and_again_while_it_recovers_it_ends_with_the_same_books(engines_from_nothing, account):
    engines = engines_from_nothing
    killed_at("filled", engines)
    for moment in ("fill_reported", "booked"):
        killed_at(moment, engines)
    engines.start(enters=True).told()
    agrees(engines, account)
    assert len(bought(account)) == 1


@pytest.mark.parametrize("moment", ["planned", "unprotected", "selling"])
def test_killed_while_stops_give_way_to_the_target_it_is_sold_once_or_protected_again(
    moment, engines, account
):
    killed_at(moment, engines, barriers=NEAR_TARGET)
    (entry,) = bought(account).values()
    engines.start(enters=False, barriers=NEAR_TARGET).told()
    books = agrees(engines, account)  # what is held is protected, whatever was sold
    held = sum((Decimal(position["quantity"]) for position in books["positions"].values()), Decimal(0))
    assert held + sold(account) == Decimal(entry["vol_exec"])
    assert len(bought(account)) == 1


def test_a_second_engine_on_the_account_is_refused_until_the_first_is_killed(engines, account, tmp_path):
    first = engines.start(enters=False)
    first.told()
    second = engines.start(enters=True, data_dir=copied(tmp_path / "data", tmp_path / "elsewhere"))
    assert second.returncode == 2
    assert "account" in second.last_words()
    assert "Traceback" not in second.last_words()
    assert bought(account) == {}
    first.kill()
    assert engines.start(enters=False).told()["event"] == "ready"


def test_a_halt_survives_the_kill_and_ends_only_after_a_clean_reconciliation(engines, account, market):
    exchange = market[0]
    first = engines.start(enters=False)
    first.told()
    engines.unblocked()
    engines.ask("halt", reason="the operator wants quiet", who="ada", action="CANCEL_ENTRIES")
    first.kill()

    second = engines.start(enters=True)
    ready = second.told()
    assert ready["halted"]
    assert "the operator wants quiet" in ready["halt_reason"]
    exchange.signal(signal.SIGSTOP)
    _, refusal = engines.try_ask("resume", reason="go on", who="ada")
    exchange.signal(signal.SIGCONT)
    assert refusal is not None
    assert "reconcil" in refusal.lower()
    assert engines.ask("status")["halted"]
    assert bought(account) == {}

    wait_for("a resumption", lambda: engines.try_ask("resume", reason="go on", who="ada")[1] is None)
    second.kill()
    engines.start(enters=False).told()
    assert not engines.unblocked()["halted"]


def test_killed_once_the_halt_is_durable_it_is_halted_though_nobody_was_told(engines, account):
    engine = engines.start("halted", enters=False)
    engine.told()
    engines.try_ask("halt", reason="quiet", who="ada", action="CANCEL_ENTRIES")
    engine.stands_still()
    engine.kill()
    ready = engines.start(enters=True).told()
    assert ready["halted"]
    assert "quiet" in ready["halt_reason"]
    assert bought(account) == {}


def test_every_moment_is_tested():
    source = (processes_world.ROOT / "tests" / "live" / "test_kill.py").read_text()
    assert [moment for moment in MOMENTS if f'"{moment}"' not in source] == []
