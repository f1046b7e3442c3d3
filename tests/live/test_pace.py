"""What waits for a wire waits as long as ever, however fast the market's clock runs."""

from gal_friday_live.pace import LATEST_DEADLINE_S, WIRE_WAITS, paced
from tests.live.world import manager

URL = "http://127.0.0.1:8600"


def test_addresses_are_the_simulated_exchanges():
    config = paced(manager(), URL, 1.0).config
    assert config.market.websocket_url == config.exchange.private_websocket_url == "ws://127.0.0.1:8600/v2"
    assert config.exchange.rest_url == URL


def test_ages_on_the_markets_clock_grow_with_its_speed_and_nothing_else_changes():
    before = manager().config
    after = paced(manager(), URL, 20.0).config
    waits = [(section, key) for section, key in WIRE_WAITS if key != "order_deadline_s"]
    assert len(waits) == len(WIRE_WAITS) - 1
    for section, key in waits:
        assert getattr(getattr(after, section), key) == 20 * getattr(getattr(before, section), key)
    assert after.exchange.order_deadline_s == LATEST_DEADLINE_S < 60  # what the exchange takes at all
    assert after.market.max_silence_s == before.market.max_silence_s
    assert after.risk == before.risk


def test_a_slower_clock_keeps_the_ages():
    assert paced(manager(), URL, 0.5).config.strategy == manager().config.strategy
