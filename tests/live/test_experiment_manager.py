"""Experiments from their design to their end, on a real database."""

import asyncio

import numpy as np
import psycopg
import pytest

from gal_friday_adapters.postgres.connect import connect
from gal_friday_core.errors import ConfigError, DataError, RegistryError
from gal_friday_core.times import MINUTE_NS, to_iso
from gal_friday_live.experiment_traffic import ExperimentTraffic
from tests.live.certified import certify, promote
from tests.live.experiment_room import SHADOW, SPLIT, V1, V2, V3, rooms
from tests.live.world import SERIES, START


@pytest.fixture
def room(database_url, tmp_path):
    return rooms(database_url, tmp_path)


async def test_life_of_an_experiment_is_told_and_audited(room):
    async with room() as here:
        experiment = await here.manager.create_experiment(SHADOW, actor="ada")
        assert await here.manager.get_active_experiments() == []
        await here.manager.start_experiment("night", actor="ada", reason="why not")
        active = await here.manager.get_active_experiments()
        await here.manager.record_outcome(
            experiment, "champion", {"unit": "1", "value": 0.5, "timestamp": "2024-03-01T00:00:00Z"}
        )
        await here.manager.stop_experiment(experiment, actor="ada", reason="enough")
        shown = await here.manager.get_experiment("night")
    assert [item["experiment_id"] for item in active] == [experiment]
    assert [payload.action for payload in here.told] == ["CREATED", "STARTED", "RESULT_RECORDED", "STOPPED"]
    assert here.told[2].result["value"] == 0.5
    assert here.told[0].traffic_split == {"champion": 1.0, "challenger": 0.0}
    assert [(event["action"], event["actor"]) for event in shown["history"]] == [
        ("CREATED", "ada"), ("STARTED", "ada"), ("STOPPED", "ada"),
    ]  # fmt: skip
    assert shown["state"] == "STOPPED"
    assert shown["history"][1]["details"]["block"] == 10


async def test_bad_input_is_refused_plainly_and_nothing_is_created(room):
    async with room() as here:
        unknown = [SHADOW["variants"][0], {"name": "x", "model_id": f"{SERIES.key}@v9"}]
        for config, error, said in (
            ({**SHADOW, "variants": unknown}, RegistryError, "unknown model .*@v9"),
            ({**SHADOW, "series": "kraken:ETH-USD:1m"}, ConfigError, "trained for kraken:BTC-USD:1m"),
            ({**SHADOW, "variants": SHADOW["variants"][:1]}, ConfigError, "two at least"),
        ):
            with pytest.raises(error, match=said):
                await here.manager.create_experiment(config)
        assert await here.manager.list_experiments() == []
        await here.manager.create_experiment(SHADOW)
        with pytest.raises(ConfigError, match="there already"):
            await here.manager.create_experiment(SHADOW)
        with pytest.raises(RegistryError, match="is CREATED: it takes no outcomes"):
            await here.outcomes("night", "champion", [1.0])
        with pytest.raises(RegistryError, match="unknown experiment 'day'"):
            await here.manager.analyze_experiment("day")


async def test_outcome_that_is_none_is_refused_and_one_told_twice_counts_once(room):
    async with room() as here:
        await here.manager.create_experiment(SHADOW)
        await here.manager.start_experiment("night")
        for told, said in (
            ({"unit": "1", "value": float("nan"), "timestamp": START}, "nan is no finite number"),
            ({"unit": "1", "timestamp": START}, "value is missing"),
        ):
            with pytest.raises(DataError, match=said):
                await here.manager.record_outcome("night", "champion", told)
        with pytest.raises(ConfigError, match="no variant 'x'"):
            await here.outcomes("night", "x", [1.0])
        await here.outcomes("night", "champion", [1.0])
        await here.outcomes("night", "champion", [2.0])
        found = await here.manager.analyze_experiment("night")
    assert [figure["units"] for figure in found["figures"]] == [1, 0]
    assert found["figures"][0]["mean"] == 1.0


async def test_model_that_does_not_predict_cannot_be_compared(room):
    async with room() as here:
        await here.manager.create_experiment(SHADOW)
        await here.registry.demote_model(V2, actor="ada", reason="test")
        with pytest.raises(
            RegistryError, match="is in development; challenger must be in production or staging"
        ):
            await here.manager.start_experiment("night")


async def test_winner_ends_the_experiment_and_is_not_promoted(room):
    async with room() as here:
        await here.manager.create_experiment(SHADOW)
        await here.manager.start_experiment("night")
        await here.pairs("night", 0.4)
        assert await here.manager.get_winning_variant("night") == "challenger"
        significance = await here.manager.check_significance("night")
        found = await here.manager.review("night")
        models = {model["model_id"]: model["stage"] for model in await here.registry.list_models()}
        with pytest.raises(RegistryError, match="is COMPLETED"):
            await here.outcomes("night", "champion", [1.0], first=9_000)
        with pytest.raises(RegistryError, match="came too late"):
            await here.manager.stop_experiment("night")
    assert significance["significant"]
    assert (found["state"], found["winner"]) == ("COMPLETED", "challenger")
    assert here.told[-1].action == "COMPLETED"
    assert here.told[-1].statistical_significance < 0.05
    assert models == {V1: "production", V2: "staging"}


async def test_equal_models_run_on(room):
    async with room() as here:
        await here.manager.create_experiment(SHADOW)
        await here.manager.start_experiment("night")
        await here.pairs("night", 0.0)
        found = await here.manager.review("night")
    assert (found["state"], found["winner"]) == ("RUNNING", None)
    assert found["plan"]["smallest_effect"] > 0


async def test_losing_variant_leaves_the_traffic_and_the_last_one_ends_it(room):
    variants = [*SHADOW["variants"], {"name": "third", "model_id": V3}]
    design = {**SPLIT, "variants": variants, "guards": {"max_loss": 0.02}}
    async with room(3) as here:
        await here.manager.create_experiment(design)
        await here.manager.start_experiment("split")
        await here.outcomes("split", "challenger", [-0.01] * 3)
        found = await here.manager.review("split")
        shown = await here.manager.get_experiment("split")
        await here.outcomes("split", "third", [-0.01] * 3, first=10)
        ended = await here.manager.review("split")
    assert found["state"] == "RUNNING"
    assert shown["traffic_split"] == {"champion": 0.5, "challenger": 0.0, "third": 0.5}
    assert (shown["history"][-1]["action"], shown["history"][-1]["variant"]) == (
        "VARIANT_STOPPED",
        "challenger",
    )
    assert "lost 3.00% of the money" in shown["history"][-1]["reason"]
    assert ended["state"] == "STOPPED"


async def test_dead_variant_is_stopped(room):
    async with room() as here:
        await here.manager.create_experiment({**SHADOW, "guards": {"silent_units": 50}})
        await here.manager.start_experiment("night")
        await here.stored("night", [(unit, "champion", 0.1) for unit in range(60)])
        found = await here.manager.review("night")
    assert [alarm["code"] for alarm in found["alarms"]] == ["DEAD_VARIANT"]
    assert found["state"] == "STOPPED"


async def test_a_split_whose_control_left_production_stops_at_the_next_review(room):
    async with room(3) as here:
        await here.manager.create_experiment(SPLIT)
        await here.manager.start_experiment("split")
        await promote(here.registry, V3)
        found = await here.manager.review("split")
        shown = await here.manager.get_experiment("split")
    assert (found["state"], [alarm["code"] for alarm in found["alarms"]]) == ("STOPPED", ["NOT_SERVED"])
    assert "champion must be in production to be served" in shown["history"][-1]["reason"]


async def test_a_challenger_that_left_staging_is_stopped_and_the_others_go_on(room):
    variants = [*SHADOW["variants"], {"name": "third", "model_id": V3}]
    async with room(3) as here:
        await here.manager.create_experiment({**SHADOW, "variants": variants})
        await here.manager.start_experiment("night")
        await here.registry.demote_model(V2, actor="ada", reason="test")
        found = [await here.manager.review("night") for _ in range(2)]
        shown = await here.manager.get_experiment("night")
        await here.registry.demote_model(V3, actor="ada", reason="test")
        ended = await here.manager.review("night")
    assert [one["state"] for one in found] == ["RUNNING", "RUNNING"]
    stops = [event["variant"] for event in shown["history"] if event["action"] == "VARIANT_STOPPED"]
    assert stops == ["challenger"]
    assert ended["state"] == "STOPPED"


def test_only_a_start_begins_an_experiment_and_each_action_leads_to_its_state(database_url):
    """Whoever may write events may not bend the audit."""
    event = """
        insert into experiment_event (experiment_id, action, state, actor, reason)
        values ('00000000-0000-0000-0000-000000000001', %s, %s, 'ada', 'test')
    """
    refused = {
        "": [("CREATED", "RUNNING"), ("STARTED", "RUNNING"), ("STOPPED", "CREATED")],
        "CREATED": [
            ("CREATED", "RUNNING"), ("TRAFFIC_ASSIGNED", "RUNNING"), ("VARIANT_STOPPED", "RUNNING"),
            ("COMPLETED", "RUNNING"), ("STARTED", "STOPPED"), ("CREATED", "CREATED"), ("COMPLETED", "COMPLETED"),
        ],
        "STARTED": [
            ("STARTED", "RUNNING"), ("STOPPED", "RUNNING"), ("STOPPED", "COMPLETED"), ("COMPLETED", "STOPPED"),
            ("TRAFFIC_ASSIGNED", "STOPPED"), ("CREATED", "RUNNING"),
        ],
        "TRAFFIC_ASSIGNED": [("STARTED", "RUNNING")],
        "COMPLETED": [("STARTED", "RUNNING"), ("TRAFFIC_ASSIGNED", "RUNNING"), ("STOPPED", "STOPPED")],
    }  # fmt: skip
    states = {
        "CREATED": "CREATED",
        "STARTED": "RUNNING",
        "TRAFFIC_ASSIGNED": "RUNNING",
        "COMPLETED": "COMPLETED",
    }
    with connect(database_url) as connection:
        connection.execute(
            "insert into experiment (experiment_id, name, series, mode, design, hash_key) values "
            "('00000000-0000-0000-0000-000000000001', 'x', 'kraken:BTC-USD:1m', 'split', '{}', %s)",
            ("k" * 32,),
        )
        for action, wrong in refused.items():
            if action:
                connection.execute(event, (action, states[action]))
            for one in wrong:
                with pytest.raises(psycopg.IntegrityError, match="cannot make it"), connection.transaction():
                    connection.execute(event, one)


async def test_only_one_experiment_splits_the_traffic_of_a_series(room):
    async with room() as here:
        for name in ("split", "again"):
            await here.manager.create_experiment({**SPLIT, "name": name})
        await here.manager.start_experiment("split")
        with pytest.raises(RegistryError, match="splits the traffic of kraken:BTC-USD:1m already"):
            await here.manager.start_experiment("again")
        await here.manager.stop_experiment("split")
        await here.manager.start_experiment("again")


async def test_traffic_is_assigned_stickily_and_can_be_narrowed(room):
    variants = [*SHADOW["variants"], {"name": "third", "model_id": V3}]
    async with room(3) as here:
        experiment = await here.manager.create_experiment({**SPLIT, "variants": variants})
        await here.manager.start_experiment("split")
        contexts = [
            {"experiment_id": experiment, "pair": SERIES.pair, "timestamp": START + minute * MINUTE_NS}
            for minute in range(40)
        ]
        first = [await here.manager.assign_variant(context) for context in contexts]
        said = [
            here.traffic.assigned(SERIES.venue, SERIES.pair, context["timestamp"]) for context in contexts
        ]
        told = await here.manager.assign_traffic("split", ["champion", "third"])
        later = [await here.manager.assign_variant(context) for context in contexts]
        for names in (["third"], ["champion"]):
            with pytest.raises(ConfigError, match="the control champion and a challenger"):
                await here.manager.assign_traffic("split", names)
        with pytest.raises(ConfigError, match="'pair' is missing"):
            await here.manager.assign_variant({"experiment_id": experiment})
        again = {**contexts[0], "timestamp": to_iso(contexts[0]["timestamp"])}
        assert await here.manager.assign_variant(again) == later[0]
    assert set(first) == {"champion", "challenger", "third"}
    assert [one.variant for one in said] == first
    assert told["traffic_split"] == {"champion": 0.5, "challenger": 0.0, "third": 0.5}
    assert set(later) == {"champion", "third"}


async def test_traffic_of_an_experiment_that_does_not_run_cannot_be_assigned_and_begins_nothing(room):
    variants = [*SHADOW["variants"], {"name": "third", "model_id": V3}]
    async with room(3) as here:
        await here.manager.create_experiment({**SPLIT, "variants": variants})
        with pytest.raises(RegistryError, match="is CREATED: it has no traffic"):
            await here.manager.assign_traffic("split", ["champion", "third"])
        await here.manager.start_experiment("split")
        await here.manager.stop_experiment("split")
        with pytest.raises(RegistryError, match="is STOPPED: it has no traffic"):
            await here.manager.assign_traffic("split", ["champion", "third"])


async def test_variant_that_a_guard_rail_stopped_is_never_served_again(room):
    variants = [*SHADOW["variants"], {"name": "third", "model_id": V3}]
    async with room(3) as here:
        await here.manager.create_experiment({**SPLIT, "variants": variants})
        await here.manager.start_experiment("split")
        for unit, variant in enumerate(("champion", "challenger", "third") * 3):
            await here.outcomes("split", variant, [-0.03 if variant == "challenger" else 0.0], first=unit)
        await here.manager.review("split")
        with pytest.raises(ConfigError, match="challenger was stopped"):
            await here.manager.assign_traffic("split", ["champion", "challenger", "third"])
        shown = await here.manager.get_experiment("split")
    assert shown["traffic_split"] == {"champion": 0.5, "challenger": 0.0, "third": 0.5}


async def test_variant_that_was_left_out_by_name_stays_out_when_traffic_moves_by_itself(room):
    variants = [*SHADOW["variants"], {"name": "third", "model_id": V3}]
    design = {**SPLIT, "variants": variants, "allocation": "thompson", "guards": {"max_loss": 9}}
    async with room(3) as here:
        await here.manager.create_experiment(design)
        await here.manager.start_experiment("split")
        await here.manager.assign_traffic("split", ["champion", "third"])
        rng = np.random.default_rng(1)
        means = (("champion", 0.0), ("third", 0.004), ("challenger", 0.02)) * 40
        outcomes = [(unit, name, rng.normal(mean, 0.005)) for unit, (name, mean) in enumerate(means)]
        await here.stored("split", outcomes)
        await here.manager.review("split")
        shown = await here.manager.get_experiment("split")
    assert shown["traffic_split"]["challenger"] == 0.0
    assert shown["traffic_split"]["third"] > 0.5


async def test_thompson_moves_traffic_towards_what_pays(room):
    async with room() as here:
        await here.manager.create_experiment({**SPLIT, "allocation": "thompson", "guards": {"max_loss": 9}})
        await here.manager.start_experiment("split")
        rng = np.random.default_rng(1)
        means = (("champion", 0.0), ("challenger", 0.004)) * 40
        outcomes = [(unit, name, rng.normal(mean, 0.005)) for unit, (name, mean) in enumerate(means)]
        await here.stored("split", outcomes)
        await here.manager.review("split")
        shown = await here.manager.get_experiment("split")
    assert shown["traffic_split"]["challenger"] > 0.9
    assert shown["traffic_split"]["champion"] >= 0.05


async def test_what_was_written_cannot_be_changed(room, database_url):
    async with room() as here:
        await here.manager.create_experiment(SHADOW)
        await here.manager.start_experiment("night")
        await here.outcomes("night", "champion", [1.0])
    with connect(database_url) as connection:
        for statement in (
            "update experiment_outcome set value = 2",
            "delete from experiment_event",
            "update experiment set design = '{}'",
            "update experiment_current set state = 'COMPLETED'",
        ):
            with pytest.raises(Exception, match=r"append-only|follows"), connection.transaction():
                connection.execute(statement)


async def test_real_money_obeys_only_experiments_that_are_meant_for_it_and_certified(room):
    async with room() as here:
        real = ExperimentTraffic(here.database, here.registry, real_money=True)
        for name, paper_only in (("first", True), ("second", False)):
            await here.manager.create_experiment({**SPLIT, "name": name, "paper_only": paper_only})
        seen = []
        for name in ("first", "second"):
            await here.manager.start_experiment(name)
            await real.refresh()
            seen.append(real.assigned(SERIES.venue, SERIES.pair, START) is not None)
            if name == "first":
                await here.manager.stop_experiment(name)
        await certify(here.registry, V2)
        await real.refresh()
        seen.append(real.assigned(SERIES.venue, SERIES.pair, START) is not None)
        seen.append(real.takes_part(V2))
        await certify(here.registry, V2, failed=("dsr",))
        await real.refresh()
        seen.append(real.takes_part(V2))
    assert seen == [False, False, True, True, False]


async def test_a_running_engine_is_told_of_the_stop(room):
    async with room() as here:
        await here.manager.create_experiment(SPLIT)
        await here.manager.start_experiment("split")
        other = ExperimentTraffic(here.database, here.registry, real_money=False)
        told = []

        async def follow():
            async for change in other.changes():
                told.append((change.action, change.traffic_split["challenger"]))  # noqa: PERF401 - read meanwhile

        following = asyncio.create_task(follow())
        async with asyncio.timeout(30):
            while not other.takes_part(V2):  # noqa: ASYNC110 - told by the database
                await asyncio.sleep(0.01)
            await here.manager.stop_experiment("split")
            while not told:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert not other.takes_part(V2)
        assert told == [("STOPPED", 0.5)]
        following.cancel()


async def test_experiment_without_traffic_says_so(room):
    async with room() as here:
        config = {**SHADOW, "guards": {"silent_hours": 1e-9}}
        await here.manager.create_experiment(config)
        await here.manager.start_experiment("night")
        found = await here.manager.review("night")
    assert [alarm["code"] for alarm in found["alarms"]] == ["NO_TRAFFIC"]
    assert found["state"] == "RUNNING"
