"""Split traffic in a running engine: who is heard, what is journalled, and whose trades they become."""

import msgspec
import pytest

from gal_friday_core.experiments.assignment import assign
from gal_friday_core.experiments.trades import Turn, earned, trades_of
from gal_friday_core.experiments.traffic import Running
from gal_friday_core.payloads import Experiment
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.memory_journal import MemoryJournal
from tests.live.test_prediction_service import Room, typed, until
from tests.live.trading import entries, trading
from tests.live.world import CALM, SERIES, START, manager, market, played, predictor

V1, V2 = predictor(), predictor(version=2, seed=11)


class FixedTraffic:
    """A running experiment that nobody starts or stops."""

    def __init__(self, unit_ns=MINUTE_NS, told=(), **shares):
        self.told = told
        self.running = Running(
            experiment_id="e", hash_key="a key of sixteen", unit_ns=unit_ns,
            shares=shares or {"champion": 0.5, "challenger": 0.5},
            models={"champion": V1.model_id, "challenger": V2.model_id},
        )  # fmt: skip

    def assigned(self, venue, pair, moment_ns):
        known = self.running is not None and (venue, pair) == (SERIES.venue, SERIES.pair)
        return self.running.assigned(pair, moment_ns) if known else None

    def takes_part(self, model_id):
        return self.running is not None and model_id in self.running.models.values()

    async def refresh(self):
        pass

    async def changes(self):
        for action in self.told:
            yield Experiment(experiment_id="e", action=action, variants=(), traffic_split=self.running.shares)


def staged(*more):
    models = FixedModels(V1, *more)
    models.stage(V2)
    return models


async def test_each_unit_is_one_models_and_the_other_is_its_shadow():
    traffic = FixedTraffic()
    async with Room(staged(), experiments=traffic) as room:
        for minute in range(60):
            room.clock.advance_to(START + minute * MINUTE_NS)
            room.tell(moment=START + minute * MINUTE_NS)
        await room.tasks.settle()
        shadows = await entries(room.journal, "SHADOW_PREDICTION")
        noted = await entries(room.journal, "EXPERIMENT_ASSIGNMENT")
    expected = [
        {"champion": V1.model_id, "challenger": V2.model_id}[
            assign(
                "a key of sixteen",
                f"{SERIES.pair}@{START + minute * MINUTE_NS}",
                tuple(traffic.running.shares.items()),
            )
        ]
        for minute in range(60)
    ]
    assert room.models() == expected
    assert len(set(expected)) == 2
    assert [entry.record["model_id"] for entry in noted] == expected
    others = {V1.model_id: V2.model_id, V2.model_id: V1.model_id}
    assert [entry.record["model_id"] for entry in shadows] == [others[model_id] for model_id in expected]


async def test_unit_of_an_hour_keeps_its_model_and_is_noted_once():
    async with Room(staged(), experiments=FixedTraffic(60 * MINUTE_NS)) as room:
        for minute in range(60):
            room.clock.advance_to(START + minute * MINUTE_NS)
            room.tell(moment=START + minute * MINUTE_NS)
        await room.tasks.settle()
        noted = await entries(room.journal, "EXPERIMENT_ASSIGNMENT")
    assert len(set(room.models())) == 1
    assert len(noted) == 1


async def test_unit_keeps_its_model_though_shares_move_unless_that_was_stopped():
    traffic = FixedTraffic(60 * MINUTE_NS)
    async with Room(staged(), experiments=traffic) as room:
        room.tell(moment=START)
        (first,) = room.models()
        name = next(name for name, model_id in traffic.running.models.items() if model_id == first)
        other = ({"champion", "challenger"} - {name}).pop()
        for minute, share in ((1, 0.001), (2, 0.0)):
            traffic.running = msgspec.structs.replace(traffic.running, shares={name: share, other: 1 - share})
            room.clock.advance_to(START + minute * MINUTE_NS)
            room.tell(moment=START + minute * MINUTE_NS)
        await room.tasks.settle()
        noted = await entries(room.journal, "EXPERIMENT_ASSIGNMENT")
    assert room.models() == [first, first, traffic.running.models[other]]
    assert [entry.record["propensity"][name] for entry in noted] == [0.5]


async def test_unit_in_which_another_experiment_begins_is_noted_for_that_too():
    traffic = FixedTraffic(60 * MINUTE_NS)
    async with Room(staged(), experiments=traffic) as room:
        for minute, experiment in enumerate(("one", "two")):
            traffic.running = msgspec.structs.replace(traffic.running, experiment_id=experiment)
            room.clock.advance_to(START + minute * MINUTE_NS)
            room.tell(moment=START + minute * MINUTE_NS)
        await room.tasks.settle()
        noted = await entries(room.journal, "EXPERIMENT_ASSIGNMENT")
    assert [entry.record["experiment_id"] for entry in noted] == ["one", "two"]


async def test_models_that_take_no_part_go_on_as_they_did():
    async with Room(
        staged(typed("breakout")), experiments=FixedTraffic(champion=0.01, challenger=0.99)
    ) as room:
        room.tell()
        await room.tasks.settle()
    assert sorted(room.models()) == sorted(["breakout@v1", V2.model_id])


async def test_what_is_decided_elsewhere_is_an_event_here():
    models = FixedModels(V1)
    heard = []
    room = Room(models, experiments=FixedTraffic(told=("STARTED", "COMPLETED")))
    room.bus.subscribe("EXPERIMENT", lambda event: heard.append((event.source_module, event.payload.action)))
    async with room:
        await until(lambda: len(heard) == 2)
    assert heard == [("ExperimentManager", "STARTED"), ("ExperimentManager", "COMPLETED")]


async def test_variant_that_cannot_serve_leaves_the_row_to_production():
    async with Room(FixedModels(V1), experiments=FixedTraffic(champion=0.01, challenger=0.99)) as room:
        room.tell()
        await room.tasks.settle()
        noted = await entries(room.journal, "EXPERIMENT_ASSIGNMENT")
    assert room.models() == [V1.model_id]
    assert room.service.skipped["VARIANT_ABSENT"] == 1
    assert noted == []


async def test_once_the_control_left_production_every_row_is_productions():
    traffic = FixedTraffic(champion=0.01, challenger=0.99)
    traffic.running.models["champion"] = "another@v7"
    async with Room(staged(), experiments=traffic) as room:
        room.tell()
        await room.tasks.settle()
        noted = await entries(room.journal, "EXPERIMENT_ASSIGNMENT")
    assert room.models() == [V1.model_id]
    assert room.service.skipped["CONTROL_REPLACED"] == 1
    assert noted == []


async def test_model_on_trial_is_known_as_such_only_while_the_experiment_runs():
    traffic = FixedTraffic()
    async with Room(staged(), experiments=traffic) as room:
        assert room.service.model(V2.model_id).trial
        assert not room.service.model(V1.model_id).trial
        traffic.running = None
        assert not room.service.model(V2.model_id).trial


async def ran(**ports):
    journal = MemoryJournal()
    async with trading(
        manager(risk=CALM), models=staged(), stretch=played(market(5_000)), journal=journal, **ports
    ) as engine:
        await engine.run()
    return journal, engine


async def test_both_variants_trade_and_their_trades_add_up_to_what_the_account_earned():
    journal, engine = await ran(experiments=FixedTraffic(60 * MINUTE_NS))
    lines = [(entry.kind, entry.ts_ns, entry.record) for entry in journal.entries]
    intents = [record for kind, _, record in lines if kind == "ORDER_INTENT" and record["purpose"] == "ENTRY"]
    assert {intent["model_id"] for intent in intents} == {V1.model_id, V2.model_id}
    assert engine.risk.rejected["MODEL_NOT_PROMOTED"] == 0
    trades = trades_of(lines)
    turns = [
        Turn(unit=told["unit"], pair=told["pair"], model_id=told["model_id"], at_ns=at)
        for kind, at, told in lines
        if kind == "EXPERIMENT_ASSIGNMENT"
    ]
    found = earned(turns, trades, unit_ns=60 * MINUTE_NS, until_ns=lines[-1][1])
    closed = [trade for trade in trades if trade.net_return is not None]
    assert len(closed) > 10
    assert {trade.model_id for trade in closed} == {V1.model_id, V2.model_id}
    counted = [
        trade
        for trade in closed
        if trade.decided_ns < max(turn.at_ns for turn in turns if turn.unit in found)
    ]
    assert sum(found.values()) == pytest.approx(sum(trade.net_return for trade in counted), abs=0.05)
    by_unit = {turn.unit: turn.model_id for turn in turns}
    assert all(by_unit[unit] for unit in found)


async def test_every_entry_is_by_the_model_whose_unit_it_is_and_exits_belong_to_their_entry():
    journal, _ = await ran(experiments=FixedTraffic(60 * MINUTE_NS))
    turn, entry = None, None
    seen = 0
    for line in sorted(journal.entries, key=lambda each: (each.ts_ns, each.seq)):
        if line.kind == "EXPERIMENT_ASSIGNMENT":
            turn = line.record
        elif line.kind == "ORDER_INTENT" and line.record["purpose"] == "ENTRY":
            entry, seen = line.record["model_id"], seen + 1
            assert entry == turn["model_id"]
        elif line.kind == "ORDER_INTENT":
            assert line.record["model_id"] == entry
    assert seen > 10


async def test_without_an_experiment_nothing_changes():
    plain, _ = await ran()

    class Nothing(FixedTraffic):
        def assigned(self, *_):
            return None

        def takes_part(self, _):
            return False

    beside, _ = await ran(experiments=Nothing())
    one, other = (
        [
            msgspec.json.encode(entry.record)
            for entry in journal.entries
            if entry.kind in {"ORDER_INTENT", "FILL"}
        ]
        for journal in (plain, beside)
    )
    assert one == other
