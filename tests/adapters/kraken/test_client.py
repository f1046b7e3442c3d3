"""The public feed against a local server that breaks as networks and exchanges do: it heals each time."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.exceptions import ConnectionClosed

from gal_friday_adapters.kraken.books import load
from gal_friday_adapters.kraken.client import KrakenClient
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_core.candles import Series
from gal_friday_core.errors import ExchangeError
from gal_friday_core.times import MINUTE_NS, SECOND_NS
from gal_friday_live.clock import SystemClock
from tests.adapters.kraken.heard import Heard
from tests.adapters.kraken.local_kraken import START, local_kraken

BTC, ETH = "BTC/USD", "ETH/USD"
SERIES = (Series("kraken", BTC, "1m"), Series("kraken", ETH, "1m"))
# Old candles are beyond any clock's grace: their order is tested here, so the clock must not finish them.
QUICK = {"silence_s": 0.5, "answer_s": 0.5, "grace_s": 10**9, "retry_s": 0.01, "retry_max_s": 0.05}


@pytest.fixture(autouse=True, scope="module")
def _compiled():
    load()


@asynccontextmanager
async def listening(series=SERIES, patience=None, **settings):
    """A server, a client that stands, and what it hears."""
    clock = SystemClock()
    async with local_kraken(clock) as (venue, url):
        client = KrakenClient(
            series, clock, url=url, patience=Patience(**QUICK | (patience or {})), **settings
        )
        heard = Heard()
        running = asyncio.create_task(client.run(heard))
        try:
            async with asyncio.timeout(20):
                await client.standing()
            yield venue, client, heard
        finally:
            await client.close()
            await running


def heard_best(venue, pair):
    book = venue.books[pair]
    return [book.best(side)[0][0] / 10 ** book.decimals[0] for side in (0, 1)]


def agrees(venue, heard, pair):
    """Whether the client's best prices are those of the market."""
    said = heard.usable.get(pair)
    return said is not None and [float(price) for price in said] == heard_best(venue, pair)


async def test_books_follow_the_market_message_by_message():
    async with listening() as (venue, client, heard):
        for _ in range(200):
            await venue.change(BTC)
            await venue.change(ETH)
        await heard.until(lambda: client.counts.book_updates == 400)
        assert all(agrees(venue, heard, pair) for pair in (BTC, ETH))
        for pair in (BTC, ETH):
            bids, asks = client.books[pair].levels()
            for side, levels in enumerate((bids, asks)):
                scaled = [
                    (int(level.price.scaleb(venue.books[pair].decimals[0])), int(level.qty.scaleb(8)))
                    for level in levels
                ]
                assert scaled == venue.books[pair].best(side)
        assert (heard.invalid, client.counts.checksum_failures, client.counts.resyncs) == ([], 0, 0)


async def test_one_flipped_digit_is_found_at_once_and_heals_by_a_new_snapshot():
    async with listening() as (venue, client, heard):

        def flip(text):
            at = text.index('"qty":') + 7
            return f"{text[:at]}{(int(text[at]) + 1) % 10 if text[at].isdigit() else 1}{text[at + 1 :]}"

        await venue.change(BTC, spoil=flip)
        await heard.until(lambda: client.counts.checksum_failures == 1 and client.stands)
        assert heard.invalid == [(BTC, "CHECKSUM")]
        await venue.change(BTC)
        await heard.until(lambda: agrees(venue, heard, BTC))
        assert (client.counts.resyncs, client.counts.connections) == (1, 1)
        renewed = [r["method"] for r in venue.requests if r.get("params", {}).get("symbol") == [BTC]]
        assert renewed[-2:] == ["unsubscribe", "subscribe"]


async def test_a_lost_update_is_found_by_the_next_one():
    async with listening() as (venue, client, heard):
        await venue.change(ETH, send=False)
        await venue.change(ETH, send=False)
        await venue.change(ETH)
        await heard.until(lambda: client.counts.resyncs == 1 and client.stands and agrees(venue, heard, ETH))
        assert (ETH, "CHECKSUM") in heard.invalid
        assert BTC in heard.usable


async def test_a_cut_line_is_made_anew_and_nothing_of_the_old_book_is_used_meanwhile(capsys):
    async with listening() as (venue, client, heard):
        venue.drop()
        await heard.until(lambda: len(heard.invalid) == 2)
        assert heard.invalid == [(BTC, "DISCONNECTED"), (ETH, "DISCONNECTED")]
        await heard.until(lambda: client.counts.recovered_s)
        await venue.change(BTC)
        await heard.until(lambda: agrees(venue, heard, BTC))
        assert (client.counts.connections, client.counts.losses) == (2, 1)
        with capsys.disabled():
            print(
                f" cut line: noticed {client.counts.detected_s[-1]:.3f} s after the last message, "
                f"recovered in {client.counts.recovered_s[-1]:.3f} s",
                end=" ",
            )


async def test_a_half_open_line_is_noticed_by_its_silence_and_replaced(capsys):
    async with listening() as (venue, client, heard):
        venue.hang()
        await heard.until(lambda: client.counts.recovered_s)
        assert client.counts.connections == 2
        assert client.counts.detected_s[-1] >= QUICK["silence_s"]
        await venue.change(ETH)
        await heard.until(lambda: agrees(venue, heard, ETH))
        with capsys.disabled():
            print(
                f" half-open line (silence {QUICK['silence_s']} s): noticed after {client.counts.detected_s[-1]:.3f} s, "
                f"recovered in {client.counts.recovered_s[-1]:.3f} s",
                end=" ",
            )


async def test_a_server_that_says_nothing_from_the_start_is_given_up_and_tried_again():
    async with listening() as (venue, client, heard):
        venue.mute = True
        venue.drop()
        await heard.until(lambda: client.counts.connections >= 3)
        venue.mute = False
        await heard.until(lambda: client.stands)


async def test_a_quiet_market_is_not_a_dead_one():
    async with listening() as (_, client, heard):
        await heard.until(lambda: heard.heartbeats > 20)
        assert (client.counts.connections, heard.invalid) == (1, [])


async def test_trades_come_once_each_and_history_is_not_news():
    async with listening() as (venue, client, heard):
        for _ in range(5):
            await venue.trade(BTC)
        await venue.tell("trade", BTC, venue.snapshot("trade", BTC).replace("snapshot", "update"))
        await venue.trade(BTC)
        await heard.until(lambda: client.counts.trades == 6)
        assert heard.trades == [(BTC, number) for number in range(4, 10)]
        assert (heard.gaps, client.counts.gaps) == ([], 0)


async def test_the_snapshot_after_a_reconnect_closes_a_short_hole_in_the_trades():
    async with listening() as (venue, _, heard):
        await venue.trade(BTC)
        await heard.until(lambda: len(heard.trades) == 1)
        venue.drop()
        for _ in range(20):
            venue.add_trade(BTC)
        await heard.until(lambda: len(heard.trades) == 21)
        assert heard.trades == [(BTC, number) for number in range(4, 25)]
        assert heard.gaps == []


async def test_a_hole_in_the_trades_that_no_snapshot_closes_is_told_with_its_width():
    async with listening() as (venue, client, heard):
        venue.drop()
        for _ in range(60):
            venue.add_trade(ETH)
        await heard.until(lambda: len(heard.trades) == 50)
        assert heard.gaps == [(ETH, 10)]
        await venue.trade(BTC, send=False)
        await venue.trade(BTC)
        await heard.until(lambda: len(heard.gaps) == 2)
        assert heard.gaps[1] == (BTC, 1)
        assert (client.counts.gaps, client.counts.missed_trades) == (2, 11)


async def test_candles_are_final_once_and_in_order_across_a_reconnect():
    async with listening() as (venue, client, heard):
        for minute in (1, 1, 2):
            await venue.candle(BTC, minute)
        await heard.until(lambda: len(heard.candles) == 2)
        venue.drop()
        await heard.until(lambda: client.counts.recovered_s)
        for minute in (2, 5, 6):
            await venue.candle(BTC, minute)
        await heard.until(lambda: len(heard.candles) == 4)
        assert [(bar.timestamp_bar_start - START) // MINUTE_NS for bar in heard.candles] == [0, 1, 2, 5]


@pytest.mark.parametrize("skew_s", [-20, 20])
async def test_a_book_of_another_time_than_ours_is_not_used_until_the_clocks_agree_again(skew_s):
    async with listening(patience={"lag_s": 5.0}) as (venue, client, heard):
        venue.stamp_ns = lambda: venue.clock.now_ns() + skew_s * SECOND_NS
        await venue.change(BTC)
        await venue.change(BTC)
        await heard.until(lambda: heard.invalid)
        assert heard.invalid == [(BTC, "STALE")]
        assert BTC not in heard.usable
        venue.stamp_ns = venue.clock.now_ns
        await venue.change(BTC)
        await heard.until(lambda: agrees(venue, heard, BTC))
        assert client.counts.resyncs == 0


@pytest.mark.parametrize(
    "nonsense",
    [
        "<html>maintenance</html>",
        '{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":1',
        '{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":NaN,"qty":1.0}],"asks":[],"checksum":1}]}',
        '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy"}]}',
        '{"channel":"ohlc","type":"update","data":[{"symbol":"BTC/USD"}]}',
        '{"channel":"heartbeat"',
        "",
        "[]",
        "null",
    ],
)
async def test_nonsense_is_counted_and_the_feed_goes_on(nonsense):
    async with listening() as (venue, client, heard):
        for socket in list(venue.subscribed):
            await socket.send(nonsense)
        await heard.until(lambda: client.counts.malformed == 1)
        await heard.until(lambda: client.stands)
        await venue.change(BTC)
        await heard.until(lambda: agrees(venue, heard, BTC))
        assert client.counts.connections == 1


async def test_unknown_channels_and_pairs_that_nobody_asked_for_are_counted_and_ignored():
    async with listening(SERIES[:1]) as (venue, client, heard):
        strange = venue.books[ETH].message(
            "snapshot", venue.books[ETH].best(0), venue.books[ETH].best(1), venue.stamp()
        )
        for socket in list(venue.subscribed):
            await socket.send('{"channel":"weather","type":"update","data":[{"rain":true}]}')
            await socket.send(strange)
        await heard.until(lambda: client.counts.unknown == 1 and client.counts.unasked == 1)
        assert list(heard.usable) == [BTC]


async def test_binary_and_endless_frames_end_in_a_new_line_not_in_a_crash():
    async with listening() as (venue, client, heard):
        for socket in list(venue.subscribed):
            await socket.send(b"\x00\xff" * 100)
            with suppress(ConnectionClosed):
                await socket.send("x" * (9 * 1024 * 1024))
        await heard.until(lambda: client.counts.recovered_s)
        assert client.counts.connections >= 2
        await heard.until(lambda: client.stands)


async def test_a_message_in_fragments_is_read_as_one():
    async with listening() as (venue, client, heard):
        bids, asks = venue.books[BTC].change()
        text = venue.books[BTC].message("update", bids, asks, venue.stamp())
        for socket in list(venue.subscribed):
            await socket.send([text[:40], text[40:90], text[90:]])
        await heard.until(lambda: client.counts.book_updates == 1)
        assert agrees(venue, heard, BTC)


async def test_an_unreachable_exchange_is_one_clear_error():
    clock = SystemClock()
    async with local_kraken(clock) as (_, url):
        pass
    client = KrakenClient(SERIES, clock, url=url, patience=Patience(**QUICK, first_attempts=2))
    with pytest.raises(ExchangeError, match=r"cannot reach Kraken at ws://127.* after 2 attempts"):
        await client.run(Heard())


async def test_a_refused_subscription_names_the_reason():
    clock = SystemClock()
    async with local_kraken(clock) as (venue, url):
        venue.refusing["trade", ETH] = "Currency pair not supported ETH/USD"
        client = KrakenClient(SERIES, clock, url=url, patience=Patience(**QUICK))
        with pytest.raises(ExchangeError, match=r"not supported ETH/USD.*market\.pairs"):
            await client.run(Heard())


async def test_a_pair_that_is_not_listed_is_named():
    clock = SystemClock()
    async with local_kraken(clock) as (_, url):
        client = KrakenClient([Series("kraken", "NO/PAIR", "1m")], clock, url=url, patience=Patience(**QUICK))
        with pytest.raises(ExchangeError, match="does not list NO/PAIR"):
            await client.run(Heard())


async def test_a_subscription_refused_for_its_rate_is_asked_for_again():
    clock = SystemClock()
    async with local_kraken(clock) as (venue, url):
        venue.refusing["trade", ETH] = "Exceeded msg rate"
        client = KrakenClient(SERIES, clock, url=url, patience=Patience(**QUICK | {"answer_s": 0.1}))
        heard = Heard()
        running = asyncio.create_task(client.run(heard))
        await heard.until(lambda: client.counts.refusals >= 2)
        venue.refusing.clear()
        await heard.until(lambda: client.stands)
        await client.close()
        await running


async def test_a_closed_client_ends_while_it_waits_and_takes_its_books_back():
    async with listening() as (_, client, heard):
        await client.close()
        await heard.until(lambda: not heard.usable)
        assert not client.stands
        assert heard.states[-1][0] is False
