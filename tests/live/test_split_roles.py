"""What becomes of plans, orders, halts and books where a role of a split engine ends, is late, or is not heard."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from gal_friday_adapters.postgres.journal_within import JournalWithin
from gal_friday_adapters.postgres.lease import AccountLease
from gal_friday_core.errors import ContractError, LeaseError, RegistryError, StorageError
from gal_friday_core.payloads import PredictionGenerated, TradeSignalProposed
from gal_friday_core.strands.strands import SIGNAL, AdStrand
from gal_friday_core.strands.tags import EVALUATE_PLAN
from gal_friday_live.explanation import explain
from gal_friday_live.roles import role as role_module
from gal_friday_live.roles.lineage import PlannedModels
from tests.live.split import ACCOUNT, closes, desk, orders, reports, stretches, whole
from tests.live.world import CALM, manager

CONFIG = {"risk": CALM}
PAIR = "BTC/USD"


@pytest.fixture(scope="module")
def played():
    return stretches(120)


async def until_buy(split, *, told=True):
    """Play until the first plan; without `told` nobody but its alpha has heard of it yet. How many bars it took."""
    settle, silent = split.settle, asyncio.sleep
    if not told:
        split.settle = lambda: silent(0)
    for number, (close_ns, bar) in enumerate(closes(split.played)):
        await split.show(close_ns, bar)
        if split.roles["alpha"].plans.written:
            split.settle = settle
            return number + 1
    raise AssertionError("nothing was proposed")


def test_every_role_killed_between_plan_and_fill_makes_the_orders_of_one_that_was_not(database_url, played):
    config = manager(**CONFIG)

    async def main():
        alone, engine = await whole(config, played)
        async with desk(database_url, config, played) as split:
            shown = await until_buy(split, told=False)
            for name, module in (("dm", "dm"), ("trader", "trader")):
                await split.leave(name)
                await split.take(name, module)
            await split.settle()
            assert [order["side"] for order in await orders(split.trader.journal)] == ["BUY"]
            await split.play(first=shown)
            assert sided(await orders(split.trader.journal)) == sided(await orders(alone))
            for role in split.roles.values():
                assert role.portfolio.funds.balances() == engine.portfolio.funds.balances()

    asyncio.run(main())


def sided(sent):
    return [(order["client_order_id"], order["side"], order["quantity"]) for order in sent]


def test_an_approved_plan_that_no_trader_has_begun_stays_reserved_over_a_restart(database_url, played):
    async def main():
        async with desk(database_url, manager(**CONFIG), played) as split:
            trader = split.listeners.pop("trader")
            await until_buy(split)
            reserved = split.decision.base.reservations.cash()
            assert reserved > 0
            await split.leave("dm")
            again = await split.take("dm", "dm")
            assert again.base.reservations.cash() == reserved
            split.listeners["trader"] = trader
            await split.settle()
            assert len(await orders(split.trader.journal)) == 1

    asyncio.run(main())


def test_an_expired_order_to_the_trader_is_never_sent_and_frees_what_was_reserved(database_url, played):
    async def main():
        async with desk(database_url, manager(**CONFIG), played) as split:
            trader = split.listeners.pop("trader")
            await until_buy(split)
            async with split.database.connection() as connection:
                await connection.execute(
                    "update trader_inbox set deadline = clock_timestamp() - interval '1 s'"
                )
            split.listeners["trader"] = trader
            await split.settle()
            (told,) = await reports(split.trader.journal)
            assert (told["order_status"], told["error_message"][:12]) == ("EXPIRED", "STALE_SIGNAL")
            assert await orders(split.trader.journal) == []
            assert split.trader.trades.execution.orders == 0
            assert split.decision.base.reservations.cash() == 0
            assert split.roles["alpha"].research.strategy._desks[PAIR].entry is None

    asyncio.run(main())


def test_a_plan_that_nobody_can_read_is_answered_once_and_the_next_one_is_decided(database_url, played):
    async def main():
        async with desk(database_url, manager(**CONFIG), played) as split:
            strange = AdStrand(
                kind=SIGNAL,
                tags=(EVALUATE_PLAN, f"account:{ACCOUNT}", "from:alpha"),
                trading_plan={"signal_id": "1"},
            )
            name = await split.roles["alpha"].plans._strands.write_with_tags(strange)
            await split.settle()
            async with split.database.connection() as connection:
                found = await (
                    await connection.execute(
                        "select dm_decision ->> 'reason' as reason from dm_strands where tags @> to_jsonb(%s::text)",
                        (f"original_strand:{name}",),
                    )
                ).fetchall()
            assert [row["reason"] for row in found] == ["UNREADABLE_PLAN"]
            await until_buy(split)
            assert split.decision.deciding.risk.approved == 1

    asyncio.run(main())


def test_a_halted_trader_is_told_to_all_and_buys_are_refused_until_it_is_resumed(database_url, played):
    async def main():
        async with desk(database_url, manager(**CONFIG), played) as split:
            alpha, decision, trader = (split.roles[name] for name in ("alpha", "dm", "trader"))
            await trader.monitoring.trigger_halt("a test")
            await split.settle()
            assert decision.gate.why(PAIR)[0] == alpha.gate.why(PAIR)[0] == "TRADER_HALTED"
            assert decision.monitoring.trading_state == "REDUCING"
            await split.leave("dm")
            decision = await split.take("dm", "dm")
            assert decision.gate.why(PAIR)[0] == "TRADER_HALTED"
            outcome = await trader.monitoring.trigger_resume("over", "a test")
            assert outcome.resumed
            await split.settle()
            assert decision.gate.why(PAIR) is alpha.gate.why(PAIR) is None

    asyncio.run(main())


def test_a_halted_decision_maker_approves_nothing_and_the_trader_sends_nothing(database_url, played):
    async def main():
        async with desk(database_url, manager(**CONFIG), played) as split:
            decision, trader = split.roles["dm"], split.roles["trader"]
            await decision.monitoring.trigger_halt("a test")
            await split.settle()
            assert trader.gate.why(PAIR)[0] == "DECISION_HALTED"
            alpha = split.roles["alpha"]
            await split.play(last=60)
            assert alpha.research.strategy.proposed > 0
            assert alpha.plans.written == 0  # it has heard, and asks nobody
            alpha.gate.clear("DECISION_HALTED")
            await split.play(first=60)
            assert alpha.plans.written == decision.deciding.risk.rejected["HALTED"] > 0
            assert await orders(split.trader.journal) == []

    asyncio.run(main())


def test_who_begins_anew_knows_which_of_the_others_are_halted(database_url, played):
    async def main():
        async with desk(database_url, manager(**CONFIG), played) as split:
            await split.decision.monitoring.trigger_halt("a test")
            await split.settle()
            for name, module in (("trader", "trader"), ("alpha", "alpha")):
                await split.leave(name)
                begun = await split.take(name, module)
                assert begun.gate.why(PAIR)[0] == "DECISION_HALTED"
            await split.decision.monitoring.trigger_resume("over", "a test")
            await split.settle()
            assert [role.gate.why(PAIR) for role in split.roles.values()] == [None, None, None]
            await split.trader.monitoring.trigger_halt("a test")
            await split.leave("alpha")
            assert (await split.take("alpha", "alpha")).gate.why(PAIR)[0] == "TRADER_HALTED"

    asyncio.run(main())


def test_a_role_whose_database_is_gone_as_it_begins_to_listen_listens_once_it_is_back(
    database_url, played, monkeypatch
):
    monkeypatch.setattr(role_module, "AGAIN_S", 0.0)

    async def main():
        async with desk(database_url, manager(**CONFIG), played) as split:
            answers, heard = iter([False, False, True]), asyncio.Event()

            async def listen():
                if not next(answers):
                    raise StorageError("nobody answers")
                heard.set()

            split.trader.listen(listen)
            async with asyncio.timeout(30):
                await heard.wait()
            assert not split.trader.halt.halted

    asyncio.run(main())


def test_an_order_is_explained_over_all_roles_by_the_model_that_the_alpha_asked(database_url, played):
    async def main():
        async with desk(database_url, manager(**CONFIG), played) as split:
            await until_buy(split)
            for role in split.roles.values():
                await role.base.ports.journal.flush()
            (order,) = await orders(split.trader.journal)
            story = await explain(split.database, order["client_order_id"])
            model_id = "kraken:BTC-USD:1m@v1"
            assert order["model_id"] == story["model_id"] == model_id
            assert order["code_version"] == story["code_version"] == "test"
            assert story["signal"]["verdict"] == "APPROVED"
            assert story["prediction"]["probability"] > 0.5
            assert story["features"]["volatility_60"] > 0

    asyncio.run(main())


def test_a_decision_maker_that_lost_its_seat_decides_nothing_any_more(database_url, played):
    async def main():
        async with desk(database_url, manager(**CONFIG), played) as split:
            decision = split.decision
            session = decision.verdicts._journal.session
            first, second = AccountLease(database_url, session), AccountLease(database_url, session)
            await first.take()
            decision.verdicts._journal = JournalWithin(session, first.fence)
            await first.release()
            await second.take()
            with pytest.raises(LeaseError, match="another process has taken over this session"):
                await until_buy(split)
            assert decision.monitoring.superseded
            with pytest.raises(LeaseError, match="another process has taken over as dm"):
                decision.require_session()
            assert await orders(split.trader.journal) == []
            async with split.database.connection() as connection:
                rows = await (await connection.execute("select kind from dm_strands")).fetchall()
            assert rows == []
            await second.release()

    asyncio.run(main())


def test_what_the_trader_journalled_is_told_once_however_late_it_becomes_visible(database_url, played):
    async def main():
        async with desk(database_url, manager(**CONFIG), played) as split:
            await until_buy(split)
            forwarder, told = split.forwarders["trader"], split.forwarders["trader"].told
            forwarder._after = 0
            forwarder._heads.clear()
            assert await forwarder.forward() == 0
            now_ns = split.trader.base.clock.now_ns()
            record = {"state": "HALTED", "reason": "late", "halt_action": None, "who": None}
            await split.trader.journal.append("SYSTEM_STATE", "late", now_ns, record)
            assert await forwarder.forward() == 1
            assert forwarder.told == told + 1

    asyncio.run(main())


def test_a_liquidation_asked_of_the_decision_maker_sells_what_the_trader_holds(database_url, played):
    async def main():
        async with desk(database_url, manager(**CONFIG), played) as split:
            shown = await until_buy(split)
            await split.play(first=shown, last=shown + 1)
            trader, decision = split.trader, split.decision
            assert trader.portfolio.position(PAIR).quantity > 0
            await decision.monitoring.trigger_halt("a test", "LIQUIDATE_POSITIONS")
            await split.settle()
            assert (await orders(trader.journal))[-1]["purpose"] == "LIQUIDATION"
            await split.play(first=shown + 1, last=shown + 2)
            for role in split.roles.values():
                assert role.portfolio.position(PAIR).quantity == 0

    asyncio.run(main())


class Register:
    """A registry that knows one model."""

    async def get_model_metadata(self, model_id):
        if model_id != "BTC@v1":
            raise RegistryError(f"no model {model_id}")
        return {"stage": "staging"}


def test_with_real_money_the_registry_says_how_a_model_stands_and_no_plan():
    prediction = PredictionGenerated(
        trading_pair=PAIR, exchange="kraken", timestamp_prediction_for=1, model_id="BTC@v1",
        prediction_target="up", prediction_value=0.9,
    )  # fmt: skip
    signal = TradeSignalProposed(
        trading_pair=PAIR, exchange="kraken", signal_id="1", side="BUY", entry_type="MARKET", strategy_id="t",
        reference_price=Decimal(1), data_timestamp=1, expires_at=2, triggering_prediction=prediction,
    )  # fmt: skip
    claim = {"standing": {"stage": "production", "override": "it is the best"}}

    async def main():
        paper, real = PlannedModels(None), PlannedModels(Register())
        for models in (paper, real):
            await models.take(signal, claim)
        assert (paper.model("BTC@v1").stage, paper.model("BTC@v1").override) == (
            "production",
            "it is the best",
        )
        assert (real.model("BTC@v1").stage, real.model("BTC@v1").override) == ("staging", None)
        other = msgspec.structs.replace(prediction, model_id="ETH@v1")
        await real.take(msgspec.structs.replace(signal, triggering_prediction=other), claim)
        assert real.model("ETH@v1").stage == "development"
        with pytest.raises(ContractError, match="standing"):
            await paper.take(signal, {"standing": {"stage": "best of all"}})

    asyncio.run(main())
