"""What an engine stands on goes away for real: its database, its network, its exchange, its time series, its disk.

One engine trades as processes do; its entries rest far below the market, so that there is always one to cancel. While
something is gone nothing new reaches the exchange, an operator's halt is taken and kept, its cancels get through
wherever bytes do, and the event loop goes on. Afterwards journal and exchange tell the same story.
"""

import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from decimal import Decimal

import psutil
import pytest

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from tests.adapters.influx_server import TOKEN, InfluxServer
from tests.adapters.postgres.standing_still import processes_of, standing_still
from tests.bounded import line_of
from tests.live.processes_nursery import NAMESPACE, RESTING
from tests.live.processes_proxy import Namespace, Proxy
from tests.live.processes_world import Engines, serve, wait_for

SETTINGS = {
    RESTING: "1",
    # These tests run beside others on few processors: an engine that starts must not keep its own entries back.
    "GAL_FRIDAY__MONITORING__LOOP_LAG_S": "30",
    "GAL_FRIDAY__MONITORING__RECOVER_AFTER_S": "0.5",
    "GAL_FRIDAY__MONITORING__DATABASE_SILENCE_S": "1",
    "GAL_FRIDAY__RISK__MAX_PRICE_DEVIATION": "1",
}
PROMISED_LAG_S = 0.05
MOST_LAG_S = 1.0
"""On a machine that others load; an engine that waited for what is gone would show many times as much."""


@pytest.fixture
def server(tmp_path):
    """A database server that nobody else uses, for this test to stop and kill."""
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        upgrade(server.url())
        yield server


@pytest.fixture
def market(tmp_path, nursery):
    exchange, account, url = serve(tmp_path, spawn=nursery.spawn)
    account.sell_all("XXBT", "XBTUSD")
    yield exchange, account, url
    exchange.end()


@contextmanager
def trading(folder, server, market, spawn, *, venue=None, **settings):
    """An engine whose first entry rests at the exchange, and how to start more of the same account."""
    engines = Engines(folder, server.url(), venue or market[2], spawn=spawn, settings=SETTINGS | settings)
    try:
        engine = engines.start()
        engine.told()
        engines.unblocked()
        wait_for("an entry that rests", lambda: buys(market[1].open_orders()))
        yield engine, engines
    finally:
        engines.end()


def buys(orders):
    return {key: order for key, order in orders.items() if order["descr"]["type"] == "buy"}


def blocked_by(engines, code):
    return wait_for(code, lambda: code in [block["code"] for block in engines.ask("status")["blocks"]])


def halted(engines):
    """An operator's halt, taken while something is gone."""
    words = {"reason": "something is gone", "who": "ada", "action": "CANCEL_ENTRIES"}
    # Where there is one place only, the engine may not have noticed yet that the last caller is gone: it says "try again".
    wait_for("a halt that is taken", lambda: engines.try_ask("halt", **words)[1] is None)
    assert wait_for("an answer", lambda: engines.try_ask("status")[0])["halted"]


def no_entry_rests(account):
    return wait_for("the entry's end", lambda: not buys(account.open_orders()))


def trades_again(engines, account):
    """Resumed by an operator, with a clean checklist, it enters anew."""
    wait_for("a resumption", lambda: engines.try_ask("resume", reason="it is back", who="ada")[1] is None)
    wait_for("a new entry", lambda: buys(account.open_orders()))


def same_story(server, account, engines):
    """Every order at the exchange has one intent, every intent an order or an end, and cash is the same."""

    def look():
        orders = [order["cl_ord_id"] for order in account.every_order().values() if order.get("cl_ord_id")]
        with connect(server.url()) as connection:
            rows = connection.execute("select key from journal where kind = 'ORDER_INTENT'").fetchall()
        known = {order["client_order_id"]: order for order in engines.ask("orders", all=True)["orders"]}
        absent = {row[0] for row in rows} - set(orders)
        cash = Decimal(engines.ask("positions")["cash"])
        assert len(set(orders)) == len(orders)
        assert set(orders) <= {row[0] for row in rows}
        return cash == account.balance("ZUSD") and all(
            known[key]["status"] in ("REJECTED", "EXPIRED", "ERROR", "CANCELED") for key in absent
        )

    wait_for("the same story in journal and exchange", look, every_s=0.5)


def goes_on(engine, since, what):
    """Nothing that is gone held up the event loop."""
    lags = engine.lags(since)
    worst = max(lags)
    share = sum(lag <= PROMISED_LAG_S for lag in lags) / len(lags)
    print(
        f"{what}: longest wait for the event loop {worst * 1e3:.0f} ms, {share:.0%} of readings within 50 ms"
    )
    assert worst < MOST_LAG_S


@contextmanager
def stopped(server):
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def killed(server):
    processes = processes_of(server)
    for process in processes:
        process.kill()
    psutil.wait_procs(processes[1:], timeout=30)
    try:
        yield
    finally:
        server.start()


@pytest.mark.parametrize("outage", [stopped, standing_still, killed])
def test_without_its_database_it_takes_no_risk_and_its_cancels_get_through(
    outage, tmp_path, nursery, server, market
):
    _, account, _ = market
    with trading(tmp_path, server, market, nursery.spawn) as (engine, engines):
        since = time.monotonic()
        with outage(server):
            blocked_by(engines, "STORAGE_DOWN")
            before = account.every_order().keys()
            halted(engines)
            no_entry_rests(account)
            assert account.every_order().keys() == before
        wait_for("a database", lambda: not engines.ask("status")["blocks"])
        goes_on(engine, since, f"PostgreSQL {outage.__name__}")
        assert engines.ask("status")["halted"]
        trades_again(engines, account)
        same_story(server, account, engines)


def test_a_halt_taken_without_a_database_outlives_the_engine(tmp_path, nursery, server, market):
    with trading(tmp_path, server, market, nursery.spawn) as (engine, engines):
        with standing_still(server):
            blocked_by(engines, "STORAGE_DOWN")
            halted(engines)
            engine.kill()
        ready = engines.start().told()
        assert ready["halted"]
        assert "something is gone" in ready["halt_reason"]
        no_entry_rests(market[1])


@contextmanager
def exchange_stopped(exchange):
    exchange.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        exchange.signal(signal.SIGCONT)


def weathers_a_silence(started, account, server, silence, what):
    """Nobody answers for a while: entries wait, and pass again by themselves; a halt taken then is carried out later."""
    engine, engines = started
    since = time.monotonic()
    with silence():
        blocked_by(engines, "EXCHANGE_DISCONNECTED")
    engines.unblocked()
    assert len(buys(account.open_orders())) == 1  # what rested rests, and nothing came to it
    with silence():
        blocked_by(engines, "EXCHANGE_DISCONNECTED")
        halted(engines)
    no_entry_rests(account)
    engines.unblocked()
    goes_on(engine, since, what)
    trades_again(engines, account)
    same_story(server, account, engines)


def test_an_exchange_that_stands_still_keeps_entries_back_until_it_answers(tmp_path, nursery, server, market):
    exchange, account, _ = market
    with trading(tmp_path, server, market, nursery.spawn) as started:
        weathers_a_silence(started, account, server, lambda: exchange_stopped(exchange), "exchange stopped")


@contextmanager
def carrying(proxy, *ways):
    proxy.carries = set(ways)
    try:
        yield
    finally:
        proxy.carries = {"up", "down"}


@pytest.mark.parametrize("left", [(), ("up",)], ids=["cut", "deaf"])
def test_a_network_that_carries_nothing_or_nothing_back(left, tmp_path, nursery, server, market):
    _, account, url = market
    proxy = Proxy(int(url.rsplit(":", 1)[1]))
    with trading(tmp_path, server, market, nursery.spawn, venue=proxy.url) as started:
        what = f"network carries {' '.join(left) or 'nothing'}"
        weathers_a_silence(started, account, server, lambda: carrying(proxy, *left), what)
    proxy.end()


def test_an_order_that_is_stuck_on_its_way_out_is_asked_about_and_never_sent_again(
    tmp_path, nursery, server, market
):
    """The exchange is heard and does not hear: only an order that stays without an answer shows it."""
    _, account, url = market
    proxy = Proxy(int(url.rsplit(":", 1)[1]))
    with trading(tmp_path, server, market, nursery.spawn, venue=proxy.url) as (engine, engines):
        since = time.monotonic()
        (rests,) = buys(account.open_orders())
        with carrying(proxy, "down"):
            account.call("CancelOrder", txid=rests)
            wait_for("something amiss", lambda: engines.ask("status")["blocks"])
            assert not buys(account.open_orders())
        engines.unblocked()
        goes_on(engine, since, "network carries down")
        wait_for("a new entry", lambda: len(buys(account.open_orders())) == 1)
        same_story(server, account, engines)
    proxy.end()


@pytest.fixture
def namespace():
    try:
        made = Namespace()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only who may make a network namespace can take its network down")
    yield made
    made.end()


@contextmanager
def taken_down(namespace):
    namespace.down()
    try:
        yield
    finally:
        namespace.up()


def test_a_network_device_that_is_down(tmp_path, nursery, server, market, namespace):
    _, account, url = market
    proxy = Proxy(int(url.rsplit(":", 1)[1]), namespace.name)
    lives_there = {NAMESPACE: namespace.name}
    with trading(tmp_path, server, market, nursery.spawn, venue=proxy.url, **lives_there) as started:
        weathers_a_silence(started, account, server, lambda: taken_down(namespace), "network device down")
    proxy.end()


def test_time_series_that_hang_or_are_gone_hold_up_nothing(tmp_path, nursery, server, market):
    _, account, _ = market
    with InfluxServer() as influx:
        settings = {"GAL_FRIDAY__TIMESERIES__URL": influx.url, "GAL_FRIDAY__TIMESERIES__TOKEN": TOKEN}
        with trading(tmp_path, server, market, nursery.spawn, **settings) as (engine, engines):
            assert influx.wait_for_lines(1)
            since, asked = time.monotonic(), len(influx.requests)
            influx.hang.clear()
            halted(engines)
            no_entry_rests(account)
            trades_again(engines, account)
            influx.hang.set()
            assert influx.wait_for_requests(asked + 1)
            influx.end()
            halted(engines)
            no_entry_rests(account)
            trades_again(engines, account)
            assert not engines.ask("status")["blocks"]
            goes_on(engine, since, "time series hung, then gone")
            same_story(server, account, engines)


SCREENS = """
import socket, sys
callers = []
for _ in range(15):
    caller = socket.socket(socket.AF_UNIX)
    caller.connect(sys.argv[1])
    caller.setblocking(False)
    callers.append(caller)
for caller in callers:
    caller.send(b'{"command": "orders", "all": true}\\n' * 500)
print("asked", flush=True)
sys.stdin.read()
"""
"""They ask for more than a socket holds, and never read."""


@contextmanager
def screens_that_stand_still(path):
    """As many dashboards as the engine lets in, but one, all in a process that is stopped."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCREENS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert line_of(process.stdout) == "asked\n"
            process.send_signal(signal.SIGSTOP)
            yield
        finally:
            process.kill()  # what stands still never ends by itself


def test_screens_that_stand_still_hold_up_nothing_and_keep_no_operator_out(tmp_path, nursery, server, market):
    _, account, _ = market
    with trading(tmp_path, server, market, nursery.spawn) as (engine, engines):
        since = time.monotonic()
        with screens_that_stand_still(engines.control):
            halted(engines)
            no_entry_rests(account)
            trades_again(engines, account)
            with screens_that_stand_still(engines.control):
                wait_for("a place", lambda: engines.try_ask("status")[0])
                halted(engines)
                no_entry_rests(account)
        goes_on(engine, since, "screens that stand still")
        trades_again(engines, account)
        same_story(server, account, engines)


@pytest.fixture
def small_disk(tmp_path):
    """The data directory on a file system of its own, small enough to fill."""
    folder = tmp_path / "data"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=755", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only who may mount a file system can fill one")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder):
    """Leave nothing free; the file that takes it."""
    ballast, size = folder / "ballast", 1 << 20
    with ballast.open("wb", buffering=0) as file:
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    return ballast


def test_a_full_disk_halts_it_and_the_halt_is_kept_all_the_same(
    small_disk, tmp_path, nursery, server, market
):
    _, account, _ = market
    limits = {"GAL_FRIDAY__MONITORING__MIN_DISK_MB": "4", "GAL_FRIDAY__MONITORING__HALT_DISK_MB": "2"}
    with trading(tmp_path, server, market, nursery.spawn, **limits) as (engine, engines):
        since = time.monotonic()
        ballast = fill(small_disk)
        wait_for("a halt", lambda: engines.ask("status")["halted"])
        no_entry_rests(account)
        goes_on(engine, since, "disk full")
        engine.kill()
        ballast.unlink()
        ready = engines.start().told()
        assert ready["halted"]
        assert "DISK_FULL" in ready["halt_reason"]
        trades_again(engines, account)
        same_story(server, account, engines)
