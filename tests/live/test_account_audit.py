"""Audits beside an engine on a simulated Kraken over sockets: with a key of their own, which may only query."""

import json
from contextlib import asynccontextmanager
from decimal import Decimal
from uuid import uuid4

import pytest

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.simulated_kraken.demo import AUDIT_KEY
from gal_friday_adapters.simulated_kraken.permissions import QUERIES
from gal_friday_adapters.simulated_kraken.server import SimulatedKraken
from gal_friday_adapters.simulated_kraken.signing import ApiKey, Keyring
from gal_friday_core.account_audit import OurBooks
from gal_friday_core.config import ReconciliationConfig
from gal_friday_core.errors import ConfigError, ExchangeError
from gal_friday_core.venue.requests import AddOrder
from gal_friday_live.account_audit import AccountAudit, JournalledAccount
from gal_friday_live.audit_run import audit_keys, audit_real
from gal_friday_live.configuration import ConfigurationManager
from tests.adapters.kraken.trading import PAIR, Now, client, order
from tests.adapters.simulated_kraken.running import KEY, SECRET, exchange
from tests.live.account import desk

FAST = {"pause_s": 0.05, "order_margin_s": 0.0}
SETTINGS = {"pause_s": 0.0, "other_assets": ["ETH"], "order_margin_s": 0.0, "confirmations": 2, "readings": 2}


async def at_once(seconds):
    del seconds


def kraken(permissions=QUERIES):
    """With the engine's key, and the audit's."""
    keys = [ApiKey(KEY, SECRET, account=KEY), ApiKey(AUDIT_KEY, SECRET, account=KEY, permissions=permissions)]
    return SimulatedKraken(exchange(), Keyring(keys))


@asynccontextmanager
async def account(database_url, permissions=QUERIES):
    """(simulated Kraken, our side of its account on a real journal, an audit of both)."""
    async with kraken(permissions) as venue, Database(database_url) as database:
        session = str(uuid4())
        journal = PostgresJournal(database, session, Now())
        await journal.begin("live", config_hash="c", code_version="v")
        run = {"mode": "live", "venue": "kraken", "account": "main", "series": ["kraken:BTC-USD:1m"]}
        await journal.append("RUN", "first", Now().now_ns(), run)
        async with desk(client(venue), journal=journal, clock=Now(), **FAST) as our:
            await our.bar("30000")
            await our.reconcile()
            assert our.service.clean

            async def audited():
                await our.tasks.settle()
                await journal.flush()
                rest = client(venue, keys=(AUDIT_KEY, SECRET)).rest
                row = {"session": session, "quote": "USD", "last_ns": Now().now_ns(), "run": run}
                books = JournalledAccount(database, row).books
                settings = ReconciliationConfig(**SETTINGS)
                try:
                    return await AccountAudit(rest, books, settings, Now(), pause=at_once).run()
                finally:
                    await rest.close()

            yield venue, our, audited


def by_hand(venue, side, quantity, limit):
    """Somebody trades on our account, without us."""
    asked = AddOrder(
        symbol=PAIR, side=side, order_type="limit", order_qty=Decimal(quantity), limit_price=Decimal(limit),
        cl_ord_id=f"by-hand-{side}",
    )  # fmt: skip
    return venue.exchange.trade(KEY, asked, "rest")


def found_codes(found):
    return sorted(finding.code for finding in found.findings)


async def test_an_audit_beside_a_trading_engine_agrees_and_disturbs_nothing(database_url):
    async with account(database_url) as (_, our, audited):
        our.execution.place(order(kind="MARKET", quantity="1.5", stop_price="29500.0"))
        our.execution.place(order(limit_price="29000.0"))
        found = await audited()
        assert (found.verdict, found.unknown) == ("AGREES", {}), found.findings
        lines = {line.asset: line for line in found.balances}
        assert lines["BTC"].booked == lines["BTC"].there == Decimal("3.5")
        our.execution.place(order(kind="MARKET", quantity="0.25"))
        await our.tasks.settle()
        told = await our.reconcile()
        assert our.service.clean, told
        assert (await audited()).verdict == "AGREES"
        assert our.triggers == []


async def test_what_nobody_booked_is_found_at_the_exchange(database_url):
    async with account(database_url) as (venue, our, audited):
        our.execution.place(order(kind="MARKET", quantity="0.5", stop_price="29500.0"))
        await our.tasks.settle()
        await our.account.stop()  # from here on the engine hears nothing
        by_hand(venue, "buy", "0.01", "20000.0")
        by_hand(venue, "sell", "0.4", "25000.0")
        found = await audited()
        assert found_codes(found) == ["EXTRA_ORDER", "MISSING_FILL"], found
        coins = next(line for line in found.balances if line.asset == "BTC")
        assert coins.there == coins.booked - Decimal("0.4") == coins.booked + coins.explained


async def test_a_stop_that_somebody_cancelled_leaves_a_position_unprotected(database_url):
    async with account(database_url) as (venue, our, audited):
        our.execution.place(order(kind="MARKET", quantity="0.5", stop_price="29500.0"))
        await our.tasks.settle()
        assert (await audited()).verdict == "AGREES"
        await our.account.stop()
        rest = client(venue).rest
        await rest.cancel_all()
        await rest.close()
        assert found_codes(await audited()) == ["ORDER_ENDED", "UNPROTECTED"]


async def test_questions_that_the_key_may_not_ask_stay_unknown(database_url):
    async with account(database_url, QUERIES - {"query_ledger"}) as (_, our, audited):
        our.execution.place(order(kind="MARKET", quantity="0.5"))
        found = await audited()
        assert found.verdict == "UNKNOWN"
        assert list(found.unknown) == ["flows"]
        assert "ermission" in found.unknown["flows"]


@pytest.fixture
def configured(monkeypatch, tmp_path):
    """Settings of an account at an address, from the environment as they stand there."""
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))

    def configure(url, account="main", **keys):
        exchange = {"REST_URL": url, "ACCOUNT": account, "TIER": "pro"}
        for name in ("KRAKEN_API", "KRAKEN_AUDIT_API"):
            for half, value in (("KEY", keys.get(name)), ("SECRET", keys.get(name) and SECRET)):
                monkeypatch.setenv(f"{name}_{half}", value or "")
        for name, value in exchange.items():
            monkeypatch.setenv(f"GAL_FRIDAY__EXCHANGE__{name}", value)
        for name, value in SETTINGS.items():
            monkeypatch.setenv(f"GAL_FRIDAY__RECONCILIATION__{name.upper()}", json.dumps(value))
        manager = ConfigurationManager()
        manager.load_config()
        return manager

    return configure


async def test_an_exchange_that_does_not_answer_is_unknown_and_not_empty(database_url, configured):
    async with account(database_url) as (venue, our, _), Database(database_url) as database:
        our.execution.place(order(kind="MARKET", quantity="0.5"))
        await our.tasks.settle()

        async def audited(*named, **keys):
            return await audit_real(configured(venue.url, *named, **keys), database, pause=at_once)

        done = await audited(KRAKEN_AUDIT_API=AUDIT_KEY)
        assert (done.found.verdict, done.owner["account"]) == ("AGREES", "main"), done.found
        venue.keyring.revoke(AUDIT_KEY)
        for keys, said in (({"KRAKEN_AUDIT_API": AUDIT_KEY}, "nvalid key"), ({}, "KRAKEN_AUDIT_API_KEY")):
            found = (await audited(**keys)).found
            assert (found.verdict, found.findings, found.balances) == ("UNKNOWN", (), ())
            assert said in found.unknown["exchange"]
        assert await audited("another") is None


def test_the_engines_key_is_refused(configured):
    manager = configured("http://127.0.0.1:1", KRAKEN_API="k", KRAKEN_AUDIT_API="k")
    with pytest.raises(ConfigError, match="their nonces would overtake each other"):
        audit_keys(manager)


class Scripted:
    """An exchange that answers a reading at a time; None: it fails to."""

    def __init__(self, *balances):
        self._balances = list(balances)
        self.readings = 0

    async def balances(self):
        self.readings += 1
        amount = self._balances.pop(0) if len(self._balances) > 1 else self._balances[0]
        if amount is None:
            raise ExchangeError("EService:Unavailable")
        return {"USD": Decimal(amount)}

    async def open_orders(self):
        return ()

    async def find(self, client_order_id):
        raise AssertionError(client_order_id)

    async def fills(self, since_ns):
        del since_ns
        return ()

    flows = fills

    async def instruments(self):
        return {}


@pytest.mark.parametrize(
    ("answers", "verdict", "readings"),
    [
        ((10,), "AGREES", 1),
        ((9, 10), "AGREES", 2),
        ((9,), "DIFFERS", 3),
        ((9, 8), "DIFFERS", 4),
        ((9, 8, 9, 8, 9), "UNKNOWN", 5),
        ((None, 10), "AGREES", 2),
        ((None,), "UNKNOWN", 5),
        ((9, None), "UNKNOWN", 5),
    ],
)
async def test_only_what_stays_the_same_is_told(answers, verdict, readings):
    async def books():
        return OurBooks(quote="USD", opened_ns=0, balances={"USD": Decimal(10)})

    scripted = Scripted(*answers)
    asked = AccountAudit(scripted, books, ReconciliationConfig(pause_s=0), Now(), pause=at_once)
    found = await asked.run()
    assert (found.verdict, scripted.readings) == (verdict, readings)
    if verdict == "UNKNOWN":
        assert set(found.unknown) <= {"balances", "moving"}
