"""The time-series sink over a real socket: nothing lost through faults, nothing blocked, everything counted."""

from decimal import Decimal

import pytest
from pydantic import SecretStr

from gal_friday_adapters import outbox
from gal_friday_adapters.influx import InfluxSink
from tests.adapters.influx_server import TOKEN, InfluxServer

GIVE_UP_S = 20.0


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(outbox, "PAUSES_S", (0.01,))


@pytest.fixture
def server():
    with InfluxServer() as running:
        yield running


def sink_to(server, **changes):
    values = {
        "org": "house",
        "bucket": "engine",
        "token": SecretStr(TOKEN),
        "timeout_s": 5.0,
        "linger_s": 0.01,
    }
    return InfluxSink(server.url, **{**values, **changes})


def test_points_arrive_as_line_protocol_with_their_nanoseconds(server):
    sink = sink_to(server)
    sink.start()
    sink.emit(
        "equity",
        {"pair": "BTC/USD", "mode": "live, paper"},
        {"usd": Decimal("10.25"), "fills": 3},
        1_700_000_000_123_456_789,
    )
    assert sink.close(GIVE_UP_S)
    assert server.lines == [r"equity,mode=live\,\ paper,pair=BTC/USD fills=3i,usd=10.25 1700000000123456789"]
    assert server.requests[0]["bucket"] == ["engine"]
    assert server.requests[0]["org"] == ["house"]
    assert server.requests[0]["precision"] == ["ns"]


def test_what_is_changed_after_it_was_emitted_arrives_as_it_was(server):
    sink = sink_to(server)
    fields = {"value": 1.5}
    sink.emit("m", {}, fields, 1)
    fields["value"] = 2.0
    assert sink.close(GIVE_UP_S)
    assert server.lines == ["m value=1.5 1"]


def test_what_has_no_finite_field_is_counted_and_not_sent(server):
    sink = sink_to(server)
    sink.emit("m", {}, {"value": float("nan")}, 1)
    sink.emit("m", {}, {"value": object()}, 2)
    sink.emit("m", {}, {"value": float("inf"), "other": 1.0}, 3)
    assert sink.close(GIVE_UP_S)
    assert server.lines == ["m other=1 3"]
    assert (sink.invalid, sink.counts.written) == (2, 3)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_server_that_says_later_gets_every_point_later(server, status):
    server.answers = [status] * 3
    sink = sink_to(server)
    sink.start()
    sink.emit("m", {}, {"value": 1.0}, 1)
    assert server.wait_for_lines(1)
    assert sink.close(GIVE_UP_S)
    assert server.lines == ["m value=1 1"]
    assert sink.counts.failures == 3


def test_a_wrong_token_rejects_the_batch_says_so_and_never_shows_the_token(server):
    told: list[str] = []
    sink = sink_to(server, token=SecretStr("another-token"), on_trouble=lambda name, what: told.append(what))
    sink.emit("m", {}, {"value": 1.0}, 1)
    assert sink.close(GIVE_UP_S)
    assert sink.counts.rejected == 1
    assert "answered 401" in told[0]
    assert "another-token" not in told[0]


def test_a_server_that_is_down_loses_nothing_once_it_comes_back(server):
    sink = sink_to(server, timeout_s=0.2)
    sink.start()
    server.hang.clear()
    for number in range(1_000):
        sink.emit("m", {}, {"value": float(number)}, number)
    assert server.wait_for_requests(0)
    server.hang.set()
    assert server.wait_for_lines(1_000)
    assert sink.close(GIVE_UP_S)
    assert {line.split()[-1] for line in server.lines} == {str(number) for number in range(1_000)}
    assert sink.counts.dropped == 0


def test_nobody_listening_is_a_failure_that_is_counted_not_raised():
    sink = InfluxSink("http://127.0.0.1:9", bucket="engine", limit=2)
    for number in range(5):
        sink.emit("m", {}, {"value": 1.0}, number)
    assert not sink.close(GIVE_UP_S)
    assert sink.counts.failures >= 1
    assert sink.counts.dropped == 5
