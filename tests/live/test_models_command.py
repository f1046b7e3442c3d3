import asyncio
import json

import pytest
from typer.testing import CliRunner

from gal_friday_adapters.postgres.connect import connect
from gal_friday_core.errors import ArtifactError, RegistryError, StorageError
from gal_friday_live.commands.models import app
from gal_friday_live.commands.storage import open_database
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from tests.core.model_files import model_files
from tests.live.refused_model import refused_files

PASSED, REFUSED = "kraken:BTC-USD:1m@v1", "kraken:BTC-USD:1m@v2"


@pytest.fixture
def run(database_url, tmp_path, monkeypatch):
    """The command line on a registry with one passed and one refused model."""
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("USER", "ada")

    async def register():
        manager = ConfigurationManager()
        async with open_database(manager.config) as database:
            registry = ModelRegistry(manager, database)
            for files in (model_files(), refused_files()):
                await registry.register_model(files, {"metrics": {"auc": 0.51}})

    asyncio.run(register())

    def command(*arguments):
        return CliRunner().invoke(app, arguments)

    return command


def test_the_list_shows_each_model_with_stage_and_verdict(run):
    shown = run("list").stdout
    assert PASSED in shown
    assert "refused: no better" in " ".join(shown.split())
    assert run("list", "--stage", "archived").stdout.startswith("No models yet")


def test_json_is_one_document_on_standard_output(run):
    models = json.loads(run("list", "--json").stdout)
    assert [(model["model_id"], model["verdict"]["passed"]) for model in models] == [
        (PASSED, True), (REFUSED, False),
    ]  # fmt: skip
    assert json.loads(run("show", PASSED, "--json").stdout)["metrics"] == {"auc": 0.51}
    promoted = {"model_id": PASSED, "stage": "production", "changed": True}
    assert json.loads(run("promote", PASSED, "--json").stdout) == promoted


def test_promotion_names_who_decided(run):
    assert "is now in production" in " ".join(run("promote", PASSED).stdout.split())
    assert "was already in production" in " ".join(run("promote", PASSED).stdout.split())
    event = json.loads(run("show", PASSED, "--json").stdout)["history"][-1]
    assert (event["actor"], event["stage"], event["override"]) == ("ada", "production", False)


def test_a_refused_model_needs_an_override_with_its_reason(run):
    refused = run("promote", REFUSED)
    assert isinstance(refused.exception, RegistryError)
    assert "no better than the base rate; 12 trades" in str(refused.exception)
    assert run("promote", REFUSED, "--override-reason", "paper only", "--actor", "grace").exit_code == 0
    event = json.loads(run("show", REFUSED, "--json").stdout)["history"][-1]
    assert (event["actor"], event["reason"], event["override"]) == ("grace", "paper only", True)
    assert "override: paper" in run("show", REFUSED).stdout


def test_a_damaged_artifact_is_not_promoted_and_the_file_is_named(run, tmp_path):
    for path in tmp_path.rglob("model.ubj"):
        path.write_bytes(path.read_bytes()[:-1])
    error = run("promote", PASSED).exception
    assert isinstance(error, ArtifactError)
    assert "model.ubj" in str(error)
    assert "\n" not in str(error)


def test_what_does_not_exist_is_one_clear_line(run):
    for arguments, said in (
        (("show", "nobody@v1"), "unknown model 'nobody@v1'"),
        (("promote", "nobody@v1"), "unknown model 'nobody@v1'"),
        (("promote", PASSED, "--stage", "prod"), "unknown stage 'prod'"),
        (("list", "--stage", "prod"), "unknown stage 'prod'"),
    ):
        error = run(*arguments).exception
        assert isinstance(error, RegistryError)
        assert said in str(error)


def test_an_unreachable_database_is_one_clear_line(monkeypatch, tmp_path):
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", f"postgresql://ada:secret@/nothing?host={tmp_path}")
    error = CliRunner().invoke(app, ["list"]).exception
    assert isinstance(error, StorageError)
    assert "secret" not in str(error)
    assert "\n" not in str(error)


def test_without_a_database_url_the_embedded_server_is_started_and_stopped(monkeypatch, tmp_path):
    monkeypatch.delenv("GAL_FRIDAY_DATABASE_URL", raising=False)
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))
    assert json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout) == []
    assert not (tmp_path / "postgres" / "cluster" / "postmaster.pid").exists()


def test_a_server_that_is_running_already_is_shared_and_left_running(postgres, monkeypatch, tmp_path):
    monkeypatch.delenv("GAL_FRIDAY_DATABASE_URL", raising=False)
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))
    (tmp_path / "postgres").symlink_to(postgres.data_dir)
    assert CliRunner().invoke(app, ["list", "--json"]).exit_code == 0
    with connect(postgres.url()) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
