"""A model is served only as it was registered here: every file by its hash, the whole by a trusted signature."""

import asyncio

import pytest

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.signing import SigningKeys
from gal_friday_core.config import Config
from gal_friday_core.errors import ArtifactError, ConfigError
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from tests.core.model_files import model_files
from tests.live.certified import promote as promote_certified

TYPE = "kraken:BTC-USD:1m"


@pytest.fixture
def talk(database_url, tmp_path):
    """One conversation with a registry; `storage` overrides its settings."""

    def run(body, **storage):
        async def conversation():
            async with Database(database_url) as database:
                config = ConfigurationManager.from_config(Config.model_validate({"storage": storage}))
                store = ArtifactStore(tmp_path / "artifacts")
                return await body(ModelRegistry(config, database, artifacts=store))

        return asyncio.run(conversation())

    return run


@pytest.fixture
def registered(talk):
    """A model in production."""

    async def body(registry):
        model_id = await registry.register_model(model_files(), {})
        await promote_certified(registry, model_id)
        return model_id

    return talk(body)


def served(registry):
    return registry.production(TYPE)


def alter(url, statement, values=()):
    """What somebody with the whole database could do: the triggers do not stop its owner."""
    with connect(url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(statement, values)


def test_a_registered_model_is_served(talk, registered):
    assert talk(served).model_id == registered


def test_a_signature_that_was_altered_in_the_database_is_refused(talk, registered, database_url):
    alter(database_url, "update artifact_signature set value = decode(repeat('ab', 64), 'hex')")
    with pytest.raises(ArtifactError, match=rf"model {registered}: the signature by .* does not verify"):
        talk(served)


def test_a_model_whose_signature_is_gone_is_neither_served_nor_promoted(talk, registered, database_url):
    alter(database_url, "delete from artifact_signature")
    with pytest.raises(ArtifactError, match="no signature by a key that is trusted here"):
        talk(served)
    with pytest.raises(ArtifactError, match="no signature"):
        talk(lambda registry: registry.by_id(registered))
    alter(database_url, "update stage_current set stage = 'staging'")
    with pytest.raises(ArtifactError, match="no signature"):
        talk(lambda registry: registry.promote_model(registered, "production"))


def test_another_model_slipped_in_with_all_its_hashes_right_is_refused(
    talk, registered, database_url, tmp_path
):
    """Files stored, rows written: everything but the key."""
    planted = ArtifactStore(tmp_path / "artifacts").put(model_files(seed=9))
    alter(database_url, "insert into artifact (sha256, size) values (%s, 1)", (planted,))
    alter(database_url, "update model_version set artifact = %s", (planted,))
    with pytest.raises(ArtifactError, match="no signature"):
        talk(served)
    alter(database_url, "update artifact_signature set artifact = %s", (planted,))
    with pytest.raises(ArtifactError, match="does not verify"):
        talk(served)


def test_a_stranger_s_signature_over_the_right_bytes_is_refused(talk, registered, database_url, tmp_path):
    stranger = SigningKeys(tmp_path / "stranger").sign("model artifact v1", model_files()["manifest.json"])
    alter(database_url, "update artifact_signature set key = %s, value = %s", tuple(stranger))
    with pytest.raises(ArtifactError, match="no signature by a key that is trusted here"):
        talk(served)


def test_an_engine_that_pins_a_key_believes_that_one_wherever_it_runs(talk, registered, tmp_path):
    key = SigningKeys(tmp_path / "keys").public_key()
    for file in (tmp_path / "keys").iterdir():
        file.unlink()
    assert talk(served, trusted_keys=[key]).model_id == registered
    with pytest.raises(ArtifactError, match="no signature"):
        talk(served, trusted_keys=["ab" * 32])


def test_a_model_is_not_registered_by_a_key_that_would_not_be_believed(talk, registered):
    async def again(registry):
        await registry.register_model(model_files(seed=5), {})

    with pytest.raises(ConfigError, match=r"add it to storage\.trusted_keys"):
        talk(again, trusted_keys=["ab" * 32])
    assert [model["model_id"] for model in talk(lambda registry: registry.list_models())] == [registered]


def test_registering_the_same_bytes_again_gives_an_unsigned_model_its_signature(
    talk, registered, database_url
):
    """The way for models that were registered before artifacts were signed."""
    alter(database_url, "delete from artifact_signature")
    assert talk(lambda registry: registry.register_model(model_files(), {})) == registered
    assert talk(served).model_id == registered


def test_signatures_are_append_only(registered, database_url):
    with connect(database_url) as connection, pytest.raises(Exception, match="append-only"):
        connection.execute("delete from artifact_signature")
