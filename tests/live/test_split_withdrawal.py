"""An alpha that ends or is halted takes back the entries that wait in its pairs: those alone, and behind its plans."""

import asyncio

import pytest
from msgspec.structs import replace

from gal_friday_adapters.strands.communicator import DirectTableCommunicator
from gal_friday_core.errors import StorageError
from gal_friday_core.strands.codec import proposed_of
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.roles.withdrawal import Withdrawal, passed_on
from tests.live.split import desk, stretches
from tests.live.trading import collect
from tests.live.world import CALM, manager

CONFIG = {"risk": CALM}


@pytest.fixture(scope="module")
def played():
    return stretches(80, both=True)


@pytest.fixture(autouse=True)
def _entries_rest(monkeypatch):
    """Every entry is a limit order at half the market's price."""
    order_of = ExecutionHandler._order

    def resting(self, signal):
        order = order_of(self, signal)
        if order.side == "SELL":
            return order
        limit = round(signal.reference_price / 2, 1)
        return replace(
            order, order_type="LIMIT", limit_price=limit, stop_price=limit - 100, target_price=limit + 100
        )

    monkeypatch.setattr(ExecutionHandler, "_order", resting)


def waiting(split):
    """Pairs in which an entry waits."""
    return {record.order.trading_pair for record in split.trader.trades.execution.blotter.entries()}


async def until_both_wait(split):
    for bar in range(len(split.played[0].bars)):
        await split.play(2 * bar, 2 * bar + 2)
        if len(waiting(split)) == 2:
            return
    raise AssertionError("there were not two entries")


def alphas(played):
    bitcoin, ether = played
    return {"btc": [bitcoin], "eth": [ether]}


def test_an_alpha_that_ends_takes_back_its_entries_and_no_other_alphas(database_url, played):
    async def main():
        async with desk(database_url, manager(**CONFIG), played, alphas(played)) as split:
            await until_both_wait(split)
            await split.listeners.pop("btc").close()
            await split.roles.pop("btc").stop()
            await split.settle()
            assert waiting(split) == {"ETH/USD"}
            assert split.decision.base.reservations.cash() > 0, "the other entry is still reserved"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("action", "left"), [("CANCEL_ENTRIES", {"ETH/USD"}), ("MAINTAIN_POSITIONS", {"BTC/USD", "ETH/USD"})]
)
def test_a_halted_alpha_takes_back_its_entries_unless_its_halt_lets_them_stand(
    database_url, played, action, left
):
    async def main():
        async with desk(database_url, manager(**CONFIG), played, alphas(played)) as split:
            await until_both_wait(split)
            await split.roles["btc"].monitoring.trigger_halt("a test", action)
            await split.settle()
            assert waiting(split) == left
            assert not split.roles["eth"].monitoring.is_halted()

    asyncio.run(main())


class Away:
    """A database that takes nothing for the first few tries."""

    def __init__(self, strands, tries):
        self._strands, self._tries, self.kinds, self.tried = strands, tries, [], asyncio.Event()

    async def write_with_tags(self, strand):
        self.tried.set()
        if self._tries:
            self._tries -= 1
            raise StorageError("away")
        self.kinds.append(strand.kind)
        return await self._strands.write_with_tags(strand)


def test_what_is_taken_back_while_the_database_is_away_stands_behind_the_plan_that_waits(
    database_url, played
):
    async def main():
        async with desk(database_url, manager(**CONFIG), [played[0]]) as split:
            proposed = collect(split.roles["alpha"].base, "TRADE_SIGNAL_PROPOSED")
            bar = -1
            while not proposed:
                await split.play(bar := bar + 1, bar + 1)
            plans = split.roles["alpha"].plans
            plans._retry_s = 0.001
            plans._strands = away = Away(plans._strands, tries=3)
            plans._put(proposed[0].payload)
            plans.withdraw(Withdrawal(pairs=("BTC/USD",), why="a test"))
            await split.settle()
            assert away.kinds == ["signal", "withdrawal"]
            assert waiting(split) == set()

    asyncio.run(main())


def test_what_was_ordered_after_a_withdrawal_stands_and_a_plan_from_before_it_is_refused(
    database_url, played
):
    async def main():
        async with desk(database_url, manager(**CONFIG), played, alphas(played)) as split:
            await until_both_wait(split)
            both = Withdrawal(pairs=("BTC/USD", "ETH/USD"), why="a test")
            await split.trader.commands.handle(replace(passed_on(both, ()), id="0"), None)
            assert waiting(split) == {"BTC/USD", "ETH/USD"}
            async with split.database.connection() as connection:
                rows = await connection.execute(
                    "select id from ad_strands where symbol = 'BTC/USD' order by id"
                )
                names = [row["id"] for row in await rows.fetchall()]
            plan = await DirectTableCommunicator(split.database, "alpha").read_by_id("ad_strands", names[0])
            verdicts = split.decision.verdicts
            verdicts._withdrawn["BTC/USD"] = "g"  # behind every id
            verdict = await verdicts._decide(proposed_of(plan), plan)
            assert verdict.reason == "WITHDRAWN"

    asyncio.run(main())


def test_a_halted_alpha_without_a_database_ends_at_once(database_url, played, caplog):
    async def main():
        async with desk(database_url, manager(**CONFIG), [played[0]]) as split:
            alpha = split.roles.pop("alpha")
            await split.listeners.pop("alpha").close()
            alpha.plans._retry_s = 0.001
            alpha.plans._strands = away = Away(alpha.plans._strands, tries=1_000_000)
            await alpha.monitoring.trigger_halt("a test")
            await away.tried.wait()
            await alpha.stop()

    asyncio.run(main())
    assert "which hangs" not in caplog.text
    assert "entries in BTC/USD may wait on" in caplog.text


def test_an_alpha_that_ends_without_a_database_says_what_may_wait_on(database_url, played, caplog):
    async def main():
        async with desk(database_url, manager(**CONFIG), [played[0]]) as split:
            alpha = split.roles.pop("alpha")
            await split.listeners.pop("alpha").close()
            alpha.plans._strands = Away(alpha.plans._strands, tries=1)
            await alpha.stop()

    asyncio.run(main())
    assert "entries in BTC/USD may wait on" in caplog.text
