"""Two real engines for one account: the second is refused, or the first is fenced; never do both trade."""

import shutil
import signal

import pytest

from gal_friday_adapters.paths import keys_dir
from gal_friday_adapters.postgres.connect import connect
from tests.live.processes_nursery import RESTING
from tests.live.processes_world import Engines, serve, wait_for

SETTINGS = {
    RESTING: "1",
    "GAL_FRIDAY__MONITORING__LOOP_LAG_S": "30",
    "GAL_FRIDAY__RISK__MAX_PRICE_DEVIATION": "1",
}


@pytest.fixture
def account_and_engines(tmp_path, nursery, database_url):
    exchange, account, url = serve(tmp_path, spawn=nursery.spawn)
    account.sell_all("XXBT", "XBTUSD")
    engines = Engines(tmp_path, database_url, url, spawn=nursery.spawn, settings=SETTINGS)
    yield account, engines
    engines.end()
    exchange.end()


def journal(database_url, question):
    with connect(database_url) as connection:
        return connection.execute(question).fetchall()


def copied(data_dir, folder):
    """A data directory with the same models, and the keys that signed them."""
    for part in (artifacts := data_dir / "artifacts", keys_dir(artifacts)):
        shutil.copytree(part, folder / part.relative_to(data_dir), dirs_exist_ok=True)
    return folder


def lose_the_lease(database_url):
    """The server lets go of the lock's connection, as it does with a holder that vanished from the network."""
    ends = (
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'gal-friday lease'"
    )
    assert journal(database_url, ends) == [(True,)]
    wait_for(
        "a free lock",
        lambda: not journal(database_url, "select 1 from pg_locks where locktype = 'advisory' and granted"),
    )


def test_an_engine_that_slept_through_its_lease_is_fenced_and_ends(
    account_and_engines, database_url, tmp_path
):
    account, engines = account_and_engines
    elder = engines.start()
    elder.told()
    engines.unblocked()
    wait_for("the elder's entry", lambda: account.orders() and account.open_orders())

    elder.signal(signal.SIGSTOP)
    lose_the_lease(database_url)
    younger = engines.start(enters=False, data_dir=copied(tmp_path / "data", tmp_path / "elsewhere"))
    ready = younger.told()
    assert not ready["halted"]
    (token,) = journal(database_url, "select max(token) from engine_lease")[0]
    orders, resting = account.orders().keys(), account.open_orders().keys()
    assert resting

    elder.signal(signal.SIGCONT)
    assert elder.returncode == 2
    assert elder.last_words().splitlines()[-1].startswith("gal-friday: another engine has taken over")
    assert account.orders().keys() == orders  # it sent nothing
    assert account.open_orders().keys() == resting  # and cancelled nothing of what is the other engine's now
    late = f"select count(*) from journal where fence < {token:d} and seq > (select min(seq) from journal where fence = {token:d})"
    assert journal(database_url, late) == [(0,)]
    assert younger.lives
