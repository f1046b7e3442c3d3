"""The drift ladder in force: kept by the registry, obeyed by a running engine, lifted by an operator alone."""

import asyncio
import json
import re
from contextlib import aclosing
from decimal import Decimal

import pytest
from psycopg import errors
from typer.testing import CliRunner

from gal_friday_adapters.postgres.connect import connect
from gal_friday_core.drift.finding import found
from gal_friday_core.drift.ladder import Decision, Restriction, in_force, news, release
from gal_friday_core.drift.settings import DriftConfig
from gal_friday_live.commands.models import app
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.memory_journal import MemoryJournal
from tests.core.model_files import model_files
from tests.core.trading import signal
from tests.live.certified import promote
from tests.live.registry_talk import talks
from tests.live.test_prediction_service import until
from tests.live.test_risk_manager import Desk, models, predicted
from tests.live.trading import collect, entries, trading
from tests.live.world import CALM, manager, predictor

TYPE = "kraken:BTC-USD:1m"
FIRST, SECOND = f"{TYPE}@v1", f"{TYPE}@v2"
CONFIG = DriftConfig()


def drifted(model_id, severity="HIGH", drift_type="PERFORMANCE_DRIFT"):
    return found(model_id, drift_type, severity, confidence=0.99, reason="it loses", metrics={})


def decision(step, model_id=FIRST, severity="HIGH"):
    return Decision(step, drifted(model_id, severity), f"PERFORMANCE_DRIFT {severity}: it loses")


def row(step, model_id, factor="0", **changes):
    given = {
        "model_type": TYPE, "model_id": model_id, "step": step, "size_factor": Decimal(factor),
        "reason": "it loses", "actor": "drift", "evidence": {}, "at_ns": 1,
    }  # fmt: skip
    return Restriction(**given | changes)


@pytest.fixture
def talk(database_url, tmp_path):
    async def promote_both(registry):
        for seed in (3, 8):
            await promote(registry, await registry.register_model(model_files(seed=seed), {}))

    return talks(database_url, tmp_path, promote_both)


def test_steps_are_kept_and_the_strictest_holds_until_an_operator_releases(talk):
    async def body(registry):
        for step in ("shadow_only", "shrink", "note"):
            held = await registry.restrict_model(SECOND, [decision(step, SECOND)], actor="drift")
            assert held.step == "shadow_only"
        shown = await registry.get_model_metadata(SECOND)
        assert [step["step"] for step in shown["restrictions"]] == ["shadow_only", "shrink", "note"]
        assert (shown["restriction"]["step"], shown["restriction"]["actor"]) == ("shadow_only", "drift")
        listed = {model["model_id"]: model["restriction"] for model in await registry.list_models()}
        assert (listed[FIRST], listed[SECOND]["size_factor"]) == (None, "0")
        assert await registry.release_model(SECOND, actor="ada", reason="the feed was broken, not the model")
        assert not await registry.release_model(SECOND, actor="ada", reason="twice")
        assert in_force(await registry.restrictions(SECOND), SECOND) is None

    talk(body)


def test_a_step_back_restores_the_model_before_and_names_who_and_why(talk):
    async def body(registry):
        held = await registry.restrict_model(SECOND, [decision("roll_back", SECOND)], actor="drift")
        (production,) = await registry.list_models("production")
        event = (await registry.get_model_metadata(FIRST))["history"][-1]
        return held, production["model_id"], event

    held, production, event = talk(body)
    assert (held.step, production) == ("roll_back", FIRST)
    assert (event["actor"], event["evidence"]["instead_of"]) == ("drift", SECOND)
    assert "it loses" in event["reason"]


def test_where_nothing_can_be_restored_the_model_stays_and_trades_nothing(talk):
    async def body(registry):
        await registry.rollback_model(TYPE, actor="ada")
        held = await registry.restrict_model(FIRST, [decision("roll_back")], actor="drift")
        (production,) = await registry.list_models("production")
        return held, production["model_id"]

    held, production = talk(body)
    assert (held.trades, held.size_factor, production) == (False, 0, FIRST)


def test_a_step_against_a_model_that_was_replaced_takes_nothing_back(talk):
    async def body(registry):
        await registry.restrict_model(FIRST, [decision("roll_back")], actor="drift")
        (production,) = await registry.list_models("production")
        return production["model_id"]

    assert talk(body) == SECOND


def test_rows_are_never_changed(talk, database_url):
    async def body(registry):
        await registry.restrict_model(SECOND, [decision("shrink", SECOND)], actor="drift")

    talk(body)
    for statement in ("delete from model_restriction", "update model_restriction set step = 'note'"):
        with connect(database_url) as connection, pytest.raises(errors.Error, match="append-only"):
            connection.execute(statement)


def test_rows_of_two_writers_are_read_in_the_order_in_which_they_count(talk, database_url):
    """A reader that has seen a row must never find another in front of it: it takes what is behind for news."""

    async def body(registry):
        with connect(database_url) as other, other.transaction():
            other.execute("select lock_version from model_type where name = %s for update", [TYPE])
            waiting = asyncio.create_task(
                registry.restrict_model(SECOND, [decision("shrink", SECOND)], actor="drift")
            )
            done, _ = await asyncio.wait({waiting}, timeout=0.5)
            other.execute(
                "insert into model_restriction (model_type, model_id, step, size_factor, reason, actor)"
                " values (%s, %s, 'halt', 0, 'it loses', 'ada')",
                [TYPE, SECOND],
            )
        await waiting
        return [row.step for row in await registry.restrictions(SECOND)], done

    steps, done = talk(body)
    assert (steps, done) == (["halt", "shrink"], set())


def test_a_step_back_is_taken_though_the_registry_changed_meanwhile(talk, monkeypatch):
    async def body(registry):
        third = await registry.register_model(model_files(seed=9), {})
        read = registry._models.tenures

        async def changed_meanwhile(model_type):
            monkeypatch.setattr(registry._models, "tenures", read)
            await registry.promote_model(third, "staging", actor="ada")
            return await read(model_type)

        monkeypatch.setattr(registry._models, "tenures", changed_meanwhile)
        await registry.restrict_model(SECOND, [decision("roll_back", SECOND)], actor="drift")
        (production,) = await registry.list_models("production")
        return production["model_id"]

    assert talk(body) == FIRST


def test_listeners_of_the_registry_are_told_of_each_step_within_a_second(talk):
    async def body(registry):
        async with aclosing(registry.promotions()) as hints:
            assert await anext(hints) == TYPE
            await registry.restrict_model(SECOND, [decision("shrink", SECOND)], actor="drift")
            async with asyncio.timeout(1):
                assert await anext(hints) == TYPE

    talk(body)


def test_the_same_finding_again_is_no_news_and_a_worse_one_is():
    rows = [row("shrink", FIRST, evidence={"drift_type": "PERFORMANCE_DRIFT", "severity": "MEDIUM"})]
    same, worse, other = drifted(FIRST, "MEDIUM"), drifted(FIRST), drifted(FIRST, "MEDIUM", "DATA_DRIFT")
    assert news(rows, [same], CONFIG, FIRST) == ()
    assert [one.step for one in news(rows, [worse, other], CONFIG, FIRST)] == ["shadow_only", "note"]
    released = [*rows, release(TYPE, FIRST, actor="ada", reason="why")]
    assert [one.finding for one in news(released, [same], CONFIG, FIRST)] == [same]
    assert [one.finding for one in news(rows, [drifted(SECOND, "MEDIUM")], CONFIG, SECOND)]


@pytest.mark.parametrize(
    ("step", "factor", "said"),
    [("note", "1", "8.921"), ("shrink", "0.5", "4.460"), ("shadow_only", "0", None), ("halt", "0", None)],
)
async def test_risk_gives_a_drifting_model_its_share(step, factor, said):
    held = {"live@v1": row(step, "live@v1", factor)}
    desk = await Desk(models=models(held=held, live="production")).started()
    wish = predicted(signal("a", expires_at=10**18), "live@v1")
    await desk.bus.publish("TRADE_SIGNAL_PROPOSED", wish)
    if said is None:
        assert (desk.said[-1].reason, desk.said[-1].details) == (
            "MODEL_RESTRICTED",
            {"value": f"{step}: it loses"},
        )
    else:
        assert desk.said[-1].quantity == Decimal(said)
        assert desk.said[-1].risk_parameters.get("drift_fraction") == (factor if step == "shrink" else None)


class Told:
    """Restricts the model after some bars, and says when each approval came."""

    def __init__(self, engine, models, steps):
        self.engine, self.models, self.steps = engine, models, dict(steps)
        self.bars, self.approved = 0, []
        engine.bus.subscribe("TRADE_SIGNAL_APPROVED", self._approved)

    def _approved(self, event):
        if event.payload.side == "BUY":
            self.approved.append((self.bars, event.payload))

    async def on_bar(self, _):
        self.bars += 1
        if (step := self.steps.pop(self.bars, None)) is not None:
            self.models.restrict(step)
            for _ in range(20):
                await asyncio.sleep(0)


async def ran(*steps):
    first = predictor()
    fixed, journal = FixedModels(first), MemoryJournal()
    async with trading(manager(risk=CALM), models=fixed, journal=journal) as engine:
        told = Told(engine, fixed, [(at, one(first.model_id)) for at, one in steps])
        engine.bus.subscribe("MARKET_DATA_OHLCV", told.on_bar)
        drift = collect(engine, "DRIFT_DETECTION")
        await engine.run()
        return engine, told, journal, drift


async def test_a_running_engine_stops_buying_by_a_restricted_model_and_goes_on_scoring_it():
    evidence = {
        "model_id": FIRST, "drift_type": "CONCEPT_DRIFT", "severity": "HIGH", "confidence": 0.99, "metrics": {},
        "recommendation": "RETRAIN_IMMEDIATELY", "threshold_exceeded": True,
    }  # fmt: skip
    plain, before, _, _ = await ran()
    at = before.approved[len(before.approved) // 2][0]
    engine, told, journal, drift = await ran(
        (at, lambda model_id: row("shadow_only", model_id, evidence=evidence))
    )
    assert {bar for bar, _ in told.approved} <= set(range(at + 1))
    assert len(told.approved) < len(before.approved)
    assert engine.prediction.predictions == plain.prediction.predictions
    assert engine.risk.rejected["MODEL_RESTRICTED"] > 0
    (kept,) = await entries(journal, "MODEL_RESTRICTION")
    assert kept.record["step"] == "shadow_only"
    assert [event.payload.drift_type for event in drift] == ["CONCEPT_DRIFT"]
    assert engine.snapshot()["restrictions"][predictor().model_id]["step"] == "shadow_only"
    assert not engine.portfolio.state().positions  # what was held left by its own rule


async def test_a_release_lets_the_engine_buy_again():
    _, before, _, _ = await ran()
    at, until = (before.approved[len(before.approved) * part // 4][0] for part in (1, 3))
    engine, told, _, _ = await ran(
        (at, lambda model_id: row("shadow_only", model_id)),
        (until, lambda model_id: release(TYPE, model_id, actor="ada", reason="looked at")),
    )
    bars = [bar for bar, _ in told.approved]
    assert [bar for bar in bars if at < bar < until] == []
    assert [bar for bar in bars if bar > until]
    assert engine.snapshot()["restrictions"] == {}


async def test_the_step_halt_halts_and_a_start_while_it_holds_halts_anew():
    engine, _, _, _ = await ran((100, lambda model_id: row("halt", model_id)))
    assert engine.halt.halted
    assert engine.halt.reason == "MODEL_DRIFT: it loses"
    first = predictor()
    fixed = FixedModels(first)
    fixed.restrict(row("halt", first.model_id))
    async with trading(manager(risk=CALM), models=fixed) as again:
        await again.tasks.settle()
        assert again.halt.reason == "MODEL_DRIFT: it loses"


async def test_a_halt_whose_evidence_cannot_be_read_halts_all_the_same_and_the_engine_goes_on_listening():
    first = predictor()
    fixed = FixedModels(first)
    async with trading(manager(risk=CALM), models=fixed) as engine:
        fixed.restrict(row("halt", first.model_id, evidence={"drift_type": "OF_A_LATER_VERSION"}))
        await until(lambda: engine.halt.halted)
        fixed.restrict(row("release", first.model_id))
        await until(lambda: not engine.snapshot()["restrictions"])
        assert engine.tasks.failed == 0


async def test_a_newly_promoted_version_is_not_restricted():
    first, second = predictor(), predictor(version=2, seed=11)
    fixed = FixedModels(first)
    fixed.restrict(row("shadow_only", first.model_id))
    fixed.promote(second)
    async with trading(manager(risk=CALM), models=fixed) as engine:
        await engine.run()
        assert engine.snapshot()["restrictions"] == {}
        assert engine.risk.rejected["MODEL_RESTRICTED"] == 0
        assert engine.risk.approved > 0


def test_the_command_line_shows_and_lifts_a_restriction(talk, monkeypatch, database_url, tmp_path):
    async def body(registry):
        await registry.restrict_model(SECOND, [decision("shrink", SECOND)], actor="drift")

    talk(body)
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))

    def run(*arguments):
        return " ".join(re.sub(r"[│┃]", " ", CliRunner().invoke(app, arguments).stdout).split())

    assert "shrink to 0.5 of its size" in run("list")
    assert "PERFORMANCE_DRIFT HIGH: it loses" in run("show", SECOND)
    assert json.loads(run("release", SECOND, "--actor", "ada", "--json"))["released"] is True
    assert "was not restricted" in run("release", SECOND)
    assert "release ada released from the command line" in run("show", SECOND)
