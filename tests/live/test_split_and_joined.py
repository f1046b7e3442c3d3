"""One account split into roles, joined into one engine, and split again, by real processes: it stays one account.

A position and its stop are held all the while at an exchange that is asked directly. Nothing is doubled, all is booked.
"""

import asyncio
import signal
from collections import Counter
from decimal import Decimal

import pytest

from gal_friday_adapters.postgres.connect import connect
from gal_friday_core.errors import GalFridayError
from gal_friday_live.control_socket import ask, control_path
from tests.live.processes_world import WIDE, model, register, serve, wait_for

SPEED = 30
ROLES = ("trader", "decision", "alpha")
HOME = "alpha"
"""Whose folder the joined engine uses: the model's artifact is there."""
SETTINGS = {
    # A machine that starts several engines at once is slow: that must not be what keeps entries back here.
    "GAL_FRIDAY__MONITORING__LOOP_LAG_S": "30",
    "GAL_FRIDAY__MONITORING__RECOVER_AFTER_S": "0",
    "GAL_FRIDAY__MONITORING__DATABASE_SILENCE_S": "10",
    "GAL_FRIDAY__RECONCILIATION__PAUSE_S": "0.2",
    "GAL_FRIDAY__EXCHANGE__ORDER_DEADLINE_S": "5",
}


class Account:
    """The account's processes: roles, or one engine."""

    def __init__(self, folder, database_url, market, spawn):
        self.exchange, url = market
        self._folder, self._spawn = folder, spawn
        self._env = {"GAL_FRIDAY_DATABASE_URL": database_url, **SETTINGS}
        self._database_url = database_url
        self._model = register(database_url, folder / HOME, model(WIDE))
        self._common = ["live", "--venue", url, "--json"]
        self.running, self.ended = {}, []
        self.not_ours = self.exchange.trades().keys()

    def start(self, name, arguments=()):
        """A process in its folder; whoever has a strategy enters at every bar without a position."""
        folder = self._folder / (HOME if name == "joined" else name)
        terms = ["--model", self._model, "--override-reason", "a test", "--entry-threshold", 0]
        words = [*self._common, *arguments, *(terms if folder.name == HOME else ())]
        log = self._folder / f"{name}-{len(self.ended) + len(self.running)}.log"
        env = {**self._env, "GAL_FRIDAY_DATA_DIR": str(folder)}
        self.running[name] = process = self._spawn(["gal_friday_live.cli"], words, log, env)
        return process

    def split(self):
        for role in ROLES:
            self.start(role, ["--role", role])
        for role in ROLES:
            assert self.running[role].told()["event"] == "ready"

    def joined(self):
        assert self.start("joined").told()["event"] == "ready"

    def refused(self, name, arguments, why):
        """A process that may not run beside the others says so and ends."""
        process = self.start(name, arguments)
        self.ended.append(self.running.pop(name))
        assert process.returncode == 2
        assert why in process.last_words()

    def stopped(self):
        """All of them, as an operator stops them; the strategy first."""
        for name in reversed(tuple(self.running)):
            process = self.running.pop(name)
            process.signal(signal.SIGTERM)
            self.ended.append(process)
            assert process.returncode == 0, process.last_words()

    def ask(self, name, command, **details):
        folder = self._folder / (HOME if name == "joined" else name)
        return asyncio.run(ask(control_path(folder), command, **details))

    def held(self):
        """The exchange's side: coins, cash, and the coins that its stops would sell."""
        stops = [
            order
            for order in self.exchange.open_orders().values()
            if order["descr"]["ordertype"] == "stop-loss"
        ]
        covered = sum((Decimal(order["vol"]) - Decimal(order["vol_exec"]) for order in stops), Decimal(0))
        balances = self.exchange.call("Balance")
        coins, cash = (Decimal(balances.get(asset, "0")) for asset in ("XXBT", "ZUSD"))
        return coins, cash, covered

    def agreed(self, holds):
        """What is held, once the exchange and every process say the same of it, and it is as wanted."""

        def look():
            coins, cash, covered = self.held()
            if not holds(coins, covered):
                return None
            books = [self._books(name) for name in self.running]
            return (coins, cash) if all(told == (coins, cash) for told in books) else None

        return wait_for("all sides to agree", look, every_s=0.5)

    def _books(self, name):
        try:
            told = self.ask(name, "positions")
        except GalFridayError:
            return None
        coins = sum((Decimal(one["quantity"]) for one in told["positions"].values()), Decimal(0))
        return coins, Decimal(told["cash"])

    def journalled(self, kind):
        """Keys of the account's own journal: the session in which orders stand."""
        with connect(self._database_url) as connection:
            found = connection.execute(
                "select key from journal where kind = %s and session in "
                "(select session from journal where kind = 'ORDER_INTENT')",
                (kind,),
            )
            return [key for (key,) in found.fetchall()]

    def end(self):
        for process in self.running.values():
            process.end()


@pytest.fixture
def account(tmp_path, database_url, nursery):
    exchange, demo, url = serve(tmp_path, speed=SPEED, spawn=nursery.spawn)
    demo.sell_all("XXBT", "XBTUSD")
    made = Account(tmp_path, database_url, (demo, url), nursery.spawn)
    yield made
    made.end()
    exchange.end()


def bought_and_covered(coins, covered):
    return coins > 0 and coins == covered


def test_an_account_is_split_joined_and_split_again_with_a_position_under_its_stop(account):
    account.split()
    held = account.agreed(bought_and_covered)
    account.refused(
        "late", ["--role", "alpha", "--name", "late"], "BTC/USD is traded by alpha alpha of this account"
    )
    account.stopped()

    account.joined()
    assert account.agreed(bought_and_covered) == held
    account.refused("trader", ["--role", "trader"], "another engine trades this account")
    account.stopped()

    account.split()
    assert account.agreed(bought_and_covered) == held
    account.ask("decision", "halt", reason="a test", who="ada", action="LIQUIDATE_POSITIONS")
    coins, _ = account.agreed(lambda coins, covered: coins == covered == 0)
    assert coins == 0

    ours = Counter(
        order["cl_ord_id"] for order in account.exchange.every_order().values() if order.get("cl_ord_id")
    )
    assert max(ours.values()) == 1
    assert ours.keys() <= set(account.journalled("ORDER_INTENT"))
    booked = Counter(account.journalled("FILL"))
    assert max(booked.values()) == 1
    assert booked.keys() == account.exchange.trades().keys() - account.not_ours
