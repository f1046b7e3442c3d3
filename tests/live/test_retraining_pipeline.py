"""From drift to a successor on a real registry: asked once, judged, promoted only where everything speaks for it."""

import asyncio
from types import SimpleNamespace

import pytest

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.postgres.database import Database
from gal_friday_core.config import Config
from gal_friday_core.drift.ladder import Decision
from gal_friday_core.errors import DataError, RegistryError, StorageError
from gal_friday_core.times import DAY_NS, HOUR_NS
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.retraining_pipeline import RetrainingPipeline
from tests.core.model_files import model_files
from tests.core.retraining.test_policy import scored
from tests.live.certified import certify, promote
from tests.live.test_drift_detector import Records

TYPE = "kraken:BTC-USD:1m"
OLD, NEW = f"{TYPE}@v1", f"{TYPE}@v2"
SMALL = {"shadow_days": 1, "shadow_predictions": 300, "min_shadow_labels": 30}
DRIFT = {"cause": "drift", "reason": "CONCEPT_DRIFT HIGH: it errs"}


class Seen:
    """What was recorded of each model."""

    def __init__(self, **skills):
        self.skills = skills
        self.looked_at = Records(shift=1.0).watched_one

    async def watched(self, model_id, now_ns):
        return self.looked_at

    async def scored(self, model_id, now_ns):
        skill = self.skills[model_id.rpartition("@")[2]]
        if skill is None:
            raise DataError(f"{model_id}: nothing was recorded")
        return scored(skill)


@pytest.fixture
def talk(database_url, tmp_path):
    """A registry with a production model and a candidate, and a pipeline over them."""

    def run(body, *, skills=None, failed=(), **settings):
        async def conversation():
            async with Database(database_url) as database:
                config = ConfigurationManager.from_config(
                    Config.model_validate({"retraining": SMALL | settings})
                )
                registry = ModelRegistry(config, database, artifacts=ArtifactStore(tmp_path / "artifacts"))
                await promote(registry, await registry.register_model(model_files(seed=3), {}))
                await registry.register_model(model_files(seed=8), {})
                await certify(registry, NEW, failed=failed)
                clock = SimulatedClock(10 * DAY_NS)
                pipeline = RetrainingPipeline(
                    config, registry, database=database, clock=clock,
                    records=Seen(**(skills or {"v1": 0.1, "v2": 0.2})),
                )  # fmt: skip
                return await body(SimpleNamespace(pipeline=pipeline, registry=registry, clock=clock))

        return asyncio.run(conversation())

    return run


async def stage(here, model_id):
    return (await here.registry.get_model(model_id, stage=None)).stage


async def shadowed(here):
    """A retraining whose candidate is in the shadow."""
    run_id = await here.pipeline.trigger_retraining(OLD, DRIFT)
    await here.pipeline.begun(run_id, "a run")
    await here.pipeline.trained(run_id, NEW, cpu_s=90)
    (run,) = await here.pipeline.runs(TYPE)
    return run


def test_a_look_takes_the_steps_of_the_ladder_once_and_says_what_to_do(talk):
    async def body(here):
        first, second = [await here.pipeline.detect_drift(OLD) for _ in range(2)]
        return first, second, await here.registry.restrictions(OLD)

    first, second, rows = talk(body)
    assert next(one["drift_type"] for one in first["findings"]) == "DATA_DRIFT"
    assert first["findings"][0]["threshold_exceeded"]
    assert (len(first["steps"]), second["steps"]) == (len(rows), [])
    assert {row.actor for row in rows} == {"retraining"}


def test_a_storm_of_requests_is_one_retraining_and_the_next_is_held_back(talk):
    async def body(here):
        same = {await here.pipeline.trigger_retraining(OLD, DRIFT) for _ in range(20)}
        await here.pipeline.trigger_retraining(OLD, {"cause": "decay", "reason": "it loses"})
        here.clock.advance_to(11 * DAY_NS)
        await here.pipeline.trigger_retraining(OLD, DRIFT)
        return same, await here.pipeline.runs()

    same, runs = talk(body)
    assert len(same) == 1
    assert [(run.cause, run.state) for run in runs] == [
        ("drift", "REQUESTED"), ("decay", "HELD_BACK"), ("drift", "HELD_BACK"),
    ]  # fmt: skip
    assert runs[1].said == f"another is under way: {runs[0].run_id} is REQUESTED"


def test_requests_at_the_same_moment_are_one(talk):
    async def body(here):
        asked = (here.pipeline.trigger_retraining(OLD, DRIFT) for _ in range(8))
        return set(await asyncio.gather(*asked)), await here.pipeline.runs()

    ids, runs = talk(body)
    assert len(ids) == len(runs) == 1


def test_an_unknown_model_or_cause_asks_for_nothing(talk):
    async def body(here):
        with pytest.raises(RegistryError, match="unknown model"):
            await here.pipeline.trigger_retraining("nobody@v1", DRIFT)
        with pytest.raises(RegistryError, match="unknown cause 'whim'"):
            await here.pipeline.trigger_retraining(OLD, {"cause": "whim"})
        return await here.pipeline.runs()

    assert talk(body) == []


@pytest.mark.parametrize(("promote_by", "ends"), [("auto", "PROMOTED"), ("ask", "READY")])
def test_a_successor_that_passed_both_is_promoted_only_where_configured(talk, promote_by, ends):
    async def body(here):
        run = await shadowed(here)
        assert (run.state, run.successor, run.cpu_s, await stage(here, NEW)) == ("SHADOW", NEW, 90, "staging")
        found = await here.pipeline.review(run)
        (after,) = await here.pipeline.runs()
        return (
            found,
            after,
            await stage(here, NEW),
            (await here.registry.get_model_metadata(NEW))["history"][-1],
        )

    found, after, now, event = talk(body, promote=promote_by)
    assert (found["improved"], found["reasons"], after.state) == (True, [], ends)
    assert now == ("production" if ends == "PROMOTED" else "staging")
    assert event["actor"] == "retraining"
    assert ("models promote" in after.said) == (ends == "READY")


def test_what_an_operator_promotes_meanwhile_is_promoted(talk):
    async def body(here):
        run = await shadowed(here)
        await here.pipeline.review(run)
        (ready,) = await here.pipeline.runs()
        await here.registry.promote_model(NEW, "production", actor="ada")
        await here.pipeline.review(ready)
        return (await here.pipeline.runs())[0]

    assert talk(body).said == "promoted by name"


def test_a_successor_that_does_worse_in_the_shadow_leaves_it(talk):
    async def body(here):
        found = await here.pipeline.review(await shadowed(here))
        return found, (await here.pipeline.runs())[0].state, await stage(here, NEW), await stage(here, OLD)

    found, state, new, old = talk(body, skills={"v1": 0.2, "v2": 0.1}, promote="auto")
    assert (found["improved"], found["decided"], state, new, old) == (
        False, True, "REFUSED", "development", "production",
    )  # fmt: skip
    assert "log loss higher" in found["reasons"][0]


def test_while_nothing_was_recorded_the_shadow_goes_on(talk):
    async def body(here):
        found = await here.pipeline.review(await shadowed(here))
        return found, (await here.pipeline.runs())[0].state

    found, state = talk(body, skills={"v1": 0.2, "v2": None}, promote="auto")
    assert (found["decided"], state) == (False, "SHADOW")


def test_a_candidate_without_a_certificate_that_passed_never_sees_the_shadow(talk):
    async def body(here):
        run = await shadowed(here)
        assert await here.pipeline.review(run) is None
        assert not await here.pipeline.deploy_if_improved(OLD, NEW)
        return run, await stage(here, NEW)

    run, now = talk(body, failed=("dsr",), promote="auto")
    assert (run.state, now) == ("REFUSED", "development")
    assert "dsr: bad" in run.said


def test_nothing_is_deployed_over_a_model_that_it_was_not_compared_with(talk):
    async def body(here):
        run = await shadowed(here)
        other = await here.registry.register_model(model_files(seed=9), {})
        await promote(here.registry, other)
        assert not await here.pipeline.deploy_if_improved(OLD, NEW)
        found = await here.pipeline.review(run)
        return found, await stage(here, other)

    found, now = talk(body, promote="auto", skills={"v1": 0.1, "v2": 0.2, "v3": 0.1})
    assert (found["improved"], now) == (False, "production")
    assert "compares it with" in found["reasons"][0]


def test_the_cool_down_counts_from_the_last_beginning(talk):
    async def body(here):
        run = await shadowed(here)
        await here.pipeline.failed(run.run_id, "stopped by hand")
        states = []
        begun = run.started_ns
        for hours in (23, 49):
            here.clock._now_ns = begun + hours * HOUR_NS
            await here.pipeline.trigger_retraining(OLD, DRIFT)
            states.append((await here.pipeline.runs())[-1].state)
        return states

    assert talk(body) == ["HELD_BACK", "REQUESTED"]


def test_what_ended_goes_on_no_more(talk):
    async def body(here):
        run = await shadowed(here)
        await here.pipeline.failed(run.run_id, "stopped by hand")
        with pytest.raises(RegistryError, match="is FAILED: it cannot become SHADOW"):
            await here.pipeline.trained(run.run_id, NEW, cpu_s=1)

    talk(body)


def test_what_an_operator_takes_out_of_the_shadow_is_never_promoted(talk):
    async def body(here):
        run = await shadowed(here)
        await here.registry.demote_model(NEW, actor="ada", reason="I do not trust it")
        await here.pipeline.review(run)
        return (await here.pipeline.runs())[0], await stage(here, NEW)

    run, now = talk(body, promote="auto")
    assert (run.state, run.said, now) == (
        "REFUSED", f"{NEW} was taken out of the shadow by name", "development",
    )  # fmt: skip


def test_an_undecided_successor_leaves_the_shadow_after_its_time(talk):
    async def body(here):
        states = []
        run = await shadowed(here)
        for days in (29, 30):
            here.clock._now_ns = run.started_ns + days * DAY_NS
            await here.pipeline.review(run)
            states.append(((await here.pipeline.runs())[0].state, await stage(here, NEW)))
        return states, (await here.pipeline.runs())[0].said

    states, said = talk(body, skills={"v1": 0.2, "v2": None}, promote="auto")
    assert states == [("SHADOW", "staging"), ("REFUSED", "development")]
    assert "begun 30 days ago, and nothing is decided yet" in said


def test_a_candidate_that_is_there_already_is_held_back_by_another_alone(talk):
    async def body(here):
        by_run = {"cause": "run", "reason": "started by hand"}
        first = await here.pipeline.ask(OLD, by_run | {"window": "a"}, trained=True)
        second = await here.pipeline.ask(OLD, by_run | {"window": "b"}, trained=True)
        await here.pipeline.begun(first.run_id, "a run")
        await here.pipeline.failed(first.run_id, "stopped by hand")
        here.clock._now_ns = (await here.pipeline.runs())[0].started_ns
        third = await here.pipeline.ask(OLD, by_run | {"window": "c"}, trained=True)
        asked = await here.pipeline.ask(OLD, DRIFT)
        return [one.state for one in (first, second, third)], asked.said

    states, said = talk(body, cool_down_h=24)
    assert states == ["REQUESTED", "HELD_BACK", "REQUESTED"]
    assert "another is under way" in said


DECIDED = Decision("roll_back", None, "PERFORMANCE_DRIFT CRITICAL: it loses")


async def cut_off(here, monkeypatch):
    """The second model in production, and a rollback that was written down and not done."""
    await here.registry.promote_model(NEW, "production", actor="ada")

    async def killed(*_args, **_options):
        raise StorageError("the process was killed here")

    with monkeypatch.context() as crash:
        crash.setattr(here.registry, "rollback_model", killed)
        with pytest.raises(StorageError):
            await here.registry.restrict_model(NEW, [DECIDED], actor="retraining")
    assert await stage(here, NEW) == "production"


def test_a_rollback_that_was_cut_off_is_finished_by_the_next_look(talk, monkeypatch):
    async def body(here):
        await cut_off(here, monkeypatch)
        await here.pipeline.detect_drift(NEW)
        event = (await here.registry.get_model_metadata(OLD))["history"][-1]
        return await stage(here, NEW), await stage(here, OLD), event

    new, old, event = talk(body)
    assert (new, old) == ("archived", "production")
    assert (event["actor"], event["reason"]) == ("retraining", DECIDED.reason)


@pytest.mark.parametrize("by", ["release", "promotion"])
def test_a_rollback_that_an_operator_overruled_is_not_finished(talk, monkeypatch, by):
    async def body(here):
        await cut_off(here, monkeypatch)
        if by == "release":
            await here.registry.release_model(NEW, actor="ada", reason="the feed was broken")
        else:
            await here.pipeline.detect_drift(NEW)
            await here.registry.promote_model(
                NEW, "production", actor="ada", override=("ada", "I know better")
            )
        await here.pipeline.detect_drift(NEW)
        return await stage(here, NEW)

    assert talk(body) == "production"


def test_a_rollback_that_is_refused_is_tried_again_and_stops_nothing(talk, caplog):
    async def body(here):
        await here.registry.restrict_model(OLD, [DECIDED], actor="retraining")
        await here.pipeline.detect_drift(OLD)
        return await stage(here, OLD)

    assert talk(body) == "production"
    assert "no model was in production before the last one" in caplog.text
