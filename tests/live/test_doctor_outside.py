"""The doctor looks beyond this machine: exchange, feed, clock, key, alerts. What cannot be asked is told, not guessed."""

import socket
import struct
import threading
import time

import pytest

from gal_friday_adapters.network_time import network_offset_s
from gal_friday_adapters.simulated_kraken.permissions import EVERYTHING, QUERIES
from gal_friday_core.config import Config
from gal_friday_core.errors import ExchangeError
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.doctor import outside
from tests.adapters.simulated_kraken.running import KEY, SECRET, exchange, running


def managed(config, environ=None):
    manager = ConfigurationManager.from_config(config)
    manager._environ = environ or {}
    return manager


@pytest.fixture(scope="module")
def kraken():
    with running(exchange()) as server:
        yield server


def right():
    return 0.0


def at_kraken(server, **sections):
    given = {"exchange": {"rest_url": server.url}, "market": {"websocket_url": f"{server.socket_url}/v2"}}
    return Config.model_validate({name: {**given.get(name, {}), **sections.get(name, {})} for name in given})


def test_an_exchange_that_answers_is_fine_and_tells_the_time(kraken):
    config = at_kraken(kraken)
    (about, clock), (feed,) = outside.exchange(config, right), outside.feed(config)
    assert (about.level, clock.level, feed.level) == ("ok", "ok", "ok"), (about, clock, feed)


def test_a_pair_that_is_not_listed_is_a_failure(kraken):
    found = outside.exchange(at_kraken(kraken, market={"pairs": ["NONE/USD"]}), right)
    assert (found[0].level, "NONE/USD" in found[0].detail) == ("failure", True)


def test_an_exchange_that_is_not_there_is_a_warning_on_paper_and_a_failure_with_money():
    away = {
        "exchange": {"rest_url": "http://127.0.0.1:1"},
        "market": {"websocket_url": "ws://127.0.0.1:1/v2"},
    }
    for mode, level in (("paper", "warning"), ("live", "failure")):
        config = Config.model_validate({"mode": mode, **away})
        assert [outside.exchange(config, right)[0].level, outside.feed(config)[0].level] == [level, level]


@pytest.mark.parametrize(
    ("permissions", "level", "said"),
    [
        (EVERYTHING, "failure", "may withdraw"),
        (QUERIES, "failure", "Create & modify orders"),
        (EVERYTHING - {"withdraw"}, "ok", "may not withdraw"),
    ],
)
def test_a_key_that_may_withdraw_or_cannot_trade_is_a_failure(kraken, tmp_path, permissions, level, said):
    kraken.keyring._keys[KEY].permissions = permissions
    manager = managed(at_kraken(kraken), {"KRAKEN_API_KEY": KEY, "KRAKEN_API_SECRET": SECRET})

    async def free():
        return False

    (found,) = outside.api_key(manager, tmp_path, free)
    assert (found.level, said in found.detail) == (level, True), found
    assert SECRET not in str(found.told())


def test_a_key_that_an_engine_uses_is_left_alone_and_none_is_fine_on_paper(tmp_path):
    async def used():
        return True

    with_key = managed(Config(), {"KRAKEN_API_KEY": KEY, "KRAKEN_API_SECRET": SECRET})
    assert "running engine" in outside.api_key(with_key, tmp_path, used)[0].detail
    assert outside.api_key(managed(Config()), tmp_path, used)[0].ok
    assert not outside.api_key(managed(Config(mode="live")), tmp_path, used)[0].ok


def test_addresses_of_alerts_that_nobody_understands_are_told_without_them():
    config = Config.model_validate({"alerts": {"page_urls": ["nonsense://ToKen4711"]}})
    (found,) = outside.alerts(config)
    assert (found.level, "4711" in str(found.told())) == ("failure", False)
    assert outside.alerts(Config())[0].level == "warning"


@pytest.fixture
def time_server():
    """Answers one question as a time server would, so many seconds ahead; `mode` 4 is a server's."""

    def serve(ahead_s, first=0x24, stratum=2, cut=None):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))

        def answer():
            _, address = server.recvfrom(512)
            now = time.time() + 2_208_988_800 + ahead_s
            stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
            reply = struct.pack("!BBbb", first, stratum, 0, 0) + bytes(28) + stamp + stamp
            server.sendto(reply[:cut], address)
            server.close()

        threading.Thread(target=answer, daemon=True).start()
        return server.getsockname()[1]

    return serve


def test_a_time_server_says_how_far_the_clock_is_off(time_server):
    assert network_offset_s("127.0.0.1", time_server(-30)) == pytest.approx(30, abs=2)
    assert network_offset_s("127.0.0.1", time_server(30)) == pytest.approx(-30, abs=2)


@pytest.mark.parametrize("odd", [{"stratum": 0}, {"first": 0xE4}, {"first": 0x23}, {"cut": 20}])
def test_a_time_server_that_does_not_know_is_not_believed(time_server, odd):
    with pytest.raises(ExchangeError):
        network_offset_s("127.0.0.1", time_server(0, **odd))


def test_an_exchange_of_others_is_not_asked_and_the_clock_still_is():
    assert "clock" in outside.clock_alone(Config(), right)[0].name
    assert outside.clock_alone(Config(), right)[0].ok
