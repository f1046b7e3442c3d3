"""What puts a model into production, takes it out, and brings it back."""

import asyncio

import pytest

from gal_friday_adapters.postgres.connect import connect
from gal_friday_core.errors import ArtifactError, RegistryError
from gal_friday_live.bus import PubSubManager
from gal_friday_live.ids import SequentialIds
from tests.core.model_files import model_files
from tests.live.certified import certificate_of, certify, promote
from tests.live.registry_talk import talks

TYPE = "kraken:BTC-USD:1m"
FIRST, SECOND, THIRD = (f"{TYPE}@v{number}" for number in (1, 2, 3))


class FixedClock:
    def now_ns(self):
        return 1


@pytest.fixture
def talk(database_url, tmp_path):
    """One conversation with a registry of three models, none of them promoted."""

    async def register(registry):
        for seed in (7, 8, 9):
            await registry.register_model(model_files(seed=seed), {})

    return talks(database_url, tmp_path, register)


@pytest.fixture
def alter(database_url):
    """What somebody with the whole database could do: the triggers do not stop its owner."""

    def execute(statement, *values):
        with connect(database_url) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(statement, values)

    return execute


async def stages(registry):
    return {model["model_id"]: model["stage"] for model in await registry.list_models()}


def test_without_a_certificate_no_model_goes_to_production(talk):
    async def body(registry):
        with pytest.raises(RegistryError, match=r"v1 is refused for production: it has no certificate"):
            await registry.promote_model(FIRST, "production")
        assert await registry.promote_model(FIRST, "staging") is True
        return await stages(registry)

    assert talk(body)[FIRST] == "staging"


def test_a_certificate_shows_its_gates_and_that_it_verified(talk):
    async def body(registry):
        assert (await registry.get_model_metadata(FIRST))["certificate"] is None
        made = await certify(registry, FIRST, failed=("dsr",))
        assert await registry.get_certificate(FIRST) == made
        return (await registry.get_model_metadata(FIRST))["certificate"]

    shown = talk(body)
    assert (shown["verified"], shown["problem"], shown["passed"]) == (True, None, False)
    assert len(shown["gates"]) == 16
    assert shown["gates"][5] == {
        "name": "dsr", "value": 1.0, "limit": 0.0, "comparison": "equal", "passed": False, "about": "dsr: bad",
    }  # fmt: skip


def test_the_certificate_of_another_model_is_not_stored(talk):
    async def body(registry):
        other = (await registry.get_model_metadata(SECOND))["artifact"]
        with pytest.raises(
            ArtifactError, match=r"certificate of .*v1: it is that of .*certify the model itself"
        ):
            await registry.certify_model(FIRST, certificate_of(TYPE, other))
        return await registry.get_certificate(FIRST)

    assert talk(body) is None


def test_a_certificate_edited_by_hand_is_refused_at_promotion_also_under_an_override(talk, alter):
    talk(lambda registry: certify(registry, FIRST, failed=("pbo",)))
    alter(
        "update model_certificate set document = convert_to(replace(replace(replace(convert_from(document, 'UTF8'),"
        """ '"value": 1.0', '"value": 0.0'), '"passed": false', '"passed": true'), 'bad', 'fine'), 'UTF8')"""
    )

    async def body(registry):
        for override in (None, ("ada", "I know better")):
            with pytest.raises(
                ArtifactError, match=r"certificate of .*v1: the signature by .* does not verify"
            ):
                await registry.promote_model(FIRST, "production", override=override)
        return (await registry.get_model_metadata(FIRST))["certificate"], await stages(registry)

    shown, found = talk(body)
    assert (shown["verified"], shown["passed"], shown["gates"]) == (False, False, [])
    assert "does not verify" in shown["problem"]
    assert set(found.values()) == {"development"}


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("update model_certificate set document = document || ' '::bytea", "does not verify"),
        ("update model_certificate set signature = decode(repeat('00', 64), 'hex')", "does not verify"),
        (
            "update model_certificate set key_id = repeat('ab', 32)",
            "no signature by a key that is trusted here",
        ),
        ("delete from model_certificate", "without a certificate that passed or an override"),
        ("update stage_event set override = true where stage = 'production'", ""),
    ],
)
def test_the_engine_is_served_no_model_whose_certificate_does_not_verify(talk, alter, statement, said):
    talk(lambda registry: promote(registry, FIRST))
    alter(statement)

    async def body(registry):
        if not said:  # the certificate stands, whatever the audit was made to say
            return (await registry.production(TYPE)).model_id
        with pytest.raises(ArtifactError, match=said):
            await registry.production(TYPE)
        with pytest.raises(ArtifactError, match=said):
            await registry.get_model(FIRST)
        return (await registry.by_id(FIRST)).model_id

    assert talk(body) == FIRST


def test_another_model_s_certificate_slipped_in_is_refused(talk, alter):
    async def both(registry):
        await promote(registry, FIRST)
        await certify(registry, SECOND)

    talk(both)
    alter(
        "insert into model_certificate (model_id, document, signature, key_id)"
        " select %s, document, signature, key_id from model_certificate where model_id = %s",
        FIRST, SECOND,
    )  # fmt: skip

    async def body(registry):
        with pytest.raises(ArtifactError, match="it is that of"):
            await registry.production(TYPE)

    talk(body)


def test_an_override_serves_while_its_signature_verifies(talk, alter):
    async def overridden(registry):
        await registry.promote_model(FIRST, "production", override=("ada", "a measured risk"))
        return (await registry.production(TYPE)).model_id

    assert talk(overridden) == FIRST
    for column in ("actor", "reason"):
        alter(f"update stage_event set {column} = {column} || '?' where override")

        async def body(registry):
            with pytest.raises(ArtifactError, match=r"override of .*v1: .*does not verify"):
                await registry.production(TYPE)

        talk(body)
        alter(f"update stage_event set {column} = rtrim({column}, '?') where override")
    alter("update stage_event set evidence = '{}' where override")

    async def unsigned(registry):
        with pytest.raises(ArtifactError, match="without a certificate that passed or an override"):
            await registry.production(TYPE)

    talk(unsigned)


def test_a_certificate_against_an_older_incumbent_does_not_promote(talk):
    async def body(registry):
        for model_id in (SECOND, THIRD):
            await certify(registry, model_id)
        await promote(registry, FIRST)
        await certify(registry, SECOND)
        await registry.promote_model(SECOND, "production")
        with pytest.raises(
            RegistryError, match=r"compares it with no other model, and .*v2 is in production now"
        ):
            await registry.promote_model(THIRD, "production")
        await certify(registry, THIRD)
        assert await registry.promote_model(THIRD, "production") is True
        return await stages(registry)

    assert talk(body) == {FIRST: "archived", SECOND: "archived", THIRD: "production"}


def test_of_two_promotions_at_once_one_is_told_that_the_other_came_first(talk):
    async def body(registry):
        for model_id in (FIRST, SECOND):
            await certify(registry, model_id)
        outcomes = await asyncio.gather(
            *(registry.promote_model(model_id, "production") for model_id in (FIRST, SECOND)),
            return_exceptions=True,
        )
        return outcomes, await stages(registry)

    outcomes, found = talk(body)
    (refusal,) = (outcome for outcome in outcomes if outcome is not True)
    assert isinstance(refusal, RegistryError)
    assert "came first" in str(refusal) or "is in production now" in str(refusal)
    assert sorted(found.values()) == ["development", "development", "production"]


def test_demotion_goes_down_one_stage_and_leaves_the_type_without_a_production_model(talk):
    async def body(registry):
        await promote(registry, FIRST)
        steps = [await registry.demote_model(FIRST, actor="ada", reason="losing") for _ in range(3)]
        assert await registry.production(TYPE) is None
        with pytest.raises(RegistryError, match="is archived: there is no stage below"):
            await registry.demote_model(FIRST, actor="ada")
        with pytest.raises(RegistryError, match="is in development: a demotion leads to archived"):
            await registry.demote_model(SECOND, "staging", actor="ada")
        history = (await registry.get_model_metadata(FIRST))["history"]
        return steps, [(event["stage"], event["actor"], event["reason"]) for event in history[2:]]

    steps, events = talk(body)
    assert steps == ["staging", "development", "archived"]
    assert events == [(stage, "ada", "losing") for stage in steps]


def test_a_damaged_or_refused_production_model_can_still_be_demoted(talk, tmp_path):
    async def body(registry):
        await registry.promote_model(FIRST, "production", override=("ada", "a measured risk"))
        for path in (tmp_path / "artifacts").rglob("model.ubj"):
            path.chmod(0o644)
            path.write_bytes(b"{")
        return await registry.demote_model(FIRST, actor="ada")

    assert talk(body) == "staging"


def test_rollbacks_go_back_one_production_model_each(talk):
    async def body(registry):
        with pytest.raises(RegistryError, match="no model was in production before the last one"):
            await registry.rollback_model(TYPE, actor="ada")
        for model_id in (FIRST, SECOND, THIRD):
            await promote(registry, model_id)
        back = [await registry.rollback_model(TYPE, actor="ada", reason="losing") for _ in range(2)]
        with pytest.raises(RegistryError, match="no model was in production before"):
            await registry.rollback_model(TYPE, actor="ada")
        assert (await registry.production(TYPE)).model_id == FIRST
        event = (await registry.get_model_metadata(FIRST))["history"][-1]
        assert (event["actor"], event["reason"], event["evidence"]["instead_of"]) == ("ada", "losing", SECOND)
        return back, await stages(registry)

    back, found = talk(body)
    assert back == [SECOND, FIRST]
    assert found == {FIRST: "production", SECOND: "archived", THIRD: "archived"}


def test_after_a_demotion_a_rollback_restores_the_model_before_the_demoted_one(talk):
    async def body(registry):
        for model_id in (FIRST, SECOND):
            await promote(registry, model_id)
        await registry.demote_model(SECOND, actor="ada")
        assert await registry.rollback_model(TYPE, actor="ada") == FIRST
        return await stages(registry)

    assert talk(body) == {FIRST: "production", SECOND: "staging", THIRD: "development"}


def test_a_model_that_came_by_an_override_comes_back_by_another_only(talk):
    async def body(registry):
        await registry.promote_model(FIRST, "production", override=("ada", "a measured risk"))
        await promote(registry, SECOND)
        with pytest.raises(RegistryError, match=r"v1 is refused for production: it has no certificate"):
            await registry.rollback_model(TYPE, actor="ada")
        assert (await registry.production(TYPE)).model_id == SECOND
        await registry.rollback_model(TYPE, actor="ada", override=("ada", "still better"))
        return (await registry.production(TYPE)).model_id

    assert talk(body) == FIRST


def test_a_rollback_to_a_damaged_model_leaves_the_present_one(talk, alter):
    async def body(registry):
        for model_id in (FIRST, SECOND):
            await promote(registry, model_id)

    talk(body)
    alter("update model_certificate set document = document || ' '::bytea where model_id = %s", FIRST)

    async def back(registry):
        with pytest.raises(ArtifactError, match=r"certificate of .*v1: .*does not verify"):
            await registry.rollback_model(TYPE, actor="ada")
        return (await registry.production(TYPE)).model_id

    assert talk(back) == SECOND


def test_each_way_down_and_back_is_an_event(talk):
    bus, seen = PubSubManager(FixedClock(), SequentialIds()), []

    async def remember(event):
        seen.append((event.payload.model_id, event.payload.action, event.payload.stage))

    async def body(registry):
        for model_id in (FIRST, SECOND):
            await promote(registry, model_id)
        bus.subscribe("MODEL_LIFECYCLE", remember)
        await registry.rollback_model(TYPE, actor="ada")
        await registry.demote_model(FIRST, actor="ada")
        await registry.demote_model(FIRST, "archived", actor="ada")

    talk(body, bus=bus)
    assert seen == [
        (SECOND, "ARCHIVED", "archived"), (FIRST, "RESTORED", "production"),
        (FIRST, "DEMOTED", "staging"), (FIRST, "ARCHIVED", "archived"),
    ]  # fmt: skip
