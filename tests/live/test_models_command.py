import asyncio
import json
import sys

import pytest
from typer.testing import CliRunner

from gal_friday_adapters.postgres.connect import connect
from gal_friday_core.errors import ArtifactError, ConfigError, DataError, RegistryError, StorageError
from gal_friday_live.commands import models_certify
from gal_friday_live.commands.models import app
from gal_friday_live.commands.storage import open_database
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from tests.core.model_files import model_files
from tests.live.certified import certify
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
            for files, failed in ((model_files(), ()), (refused_files(), ("dsr",))):
                model_id = await registry.register_model(files, {"metrics": {"auc": 0.51}})
                await certify(registry, model_id, failed=failed)

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


def test_the_list_says_who_is_certified(run):
    models = json.loads(run("list", "--json").stdout)
    assert [model["certified"] for model in models] == [True, False]


def test_the_certificate_is_shown_gate_by_gate(run):
    gates = json.loads(run("show", REFUSED, "--json").stdout)["certificate"]["gates"]
    assert len(gates) == 16
    assert {"name", "value", "limit", "passed"} <= gates[0].keys()
    assert [gate["name"] for gate in gates if not gate["passed"]] == ["dsr"]
    shown = run("show", REFUSED).stdout
    assert "dsr: bad" in shown
    assert "failed" in shown
    assert "refused, signed by" in " ".join(shown.split())


def test_a_certificate_edited_by_hand_is_shown_as_that_and_its_model_refused(run, database_url):
    with connect(database_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "update model_certificate set document = convert_to(replace(convert_from(document, 'UTF8'), 'bad', 'good'), 'UTF8')"
        )
    assert "does not verify" in run("show", REFUSED).stdout
    error = run("promote", REFUSED, "--override-reason", "it was me").exception
    assert isinstance(error, ArtifactError)
    assert "\n" not in str(error)
    assert json.loads(run("list", "--json").stdout)[1]["certified"] is False


def test_certifying_asks_the_pipeline_s_side_and_tells_what_it_met(run):
    error = run("certify", PASSED).exception
    assert isinstance(error, DataError)
    assert "0 candles" in str(error)


def test_certifying_without_the_pipeline_says_what_to_install(run, monkeypatch):
    monkeypatch.setattr(models_certify, "MODULE", "nowhere")
    error = run("certify", PASSED).exception
    assert isinstance(error, ConfigError)
    assert "install gal-friday[pipeline]" in str(error)


def test_the_difference_of_two_models_is_what_they_do_not_share(run):
    one, other = json.loads(run("diff", PASSED, REFUSED, "--json").stdout)
    assert (one["model_id"], other["model_id"]) == (PASSED, REFUSED)
    assert one["facts"].keys() == {"artifact", "verdict.passed", "verdict.reasons"}
    assert (one["facts"]["verdict.passed"], other["facts"]["verdict.passed"]) == (True, False)
    assert one["metrics"] == {}
    assert one["gates"] == {"dsr": {"value": 0.0, "limit": 0.0, "passed": True}}
    assert other["gates"]["dsr"]["passed"] is False
    assert "verdict.reasons" in run("diff", PASSED, REFUSED).stdout
    assert "say the same" in run("diff", PASSED, PASSED).stdout


def test_demotion_and_rollback_from_the_command_line(run):
    override = ("--override-reason", "paper only", "--json")
    assert run("promote", PASSED).exit_code == 0
    assert run("promote", REFUSED, *override).exit_code == 0
    restored = json.loads(run("rollback", PASSED.partition("@")[0], "--reason", "losing", "--json").stdout)
    assert restored == {"model_id": PASSED, "stage": "production", "changed": True}
    event = json.loads(run("show", PASSED, "--json").stdout)["history"][-1]
    assert (event["actor"], event["reason"]) == ("ada", "losing")
    demoted = json.loads(run("demote", PASSED, "--json").stdout)
    assert demoted == {"model_id": PASSED, "stage": "staging", "changed": True}
    assert "is now in archived" in " ".join(run("demote", PASSED, "--stage", "archived").stdout.split())
    assert isinstance(run("rollback", "nobody").exception, RegistryError)


def test_export_without_mlflow_says_how_to_get_it(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    error = run("export", "--mlflow", str(tmp_path / "mlflow")).exception
    assert isinstance(error, ConfigError)
    assert "pip install 'gal-friday[mlflow]'" in str(error)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # MLflow's own
def test_models_are_exported_to_mlflow_once(run, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    target = tmp_path / "mlflow"
    assert run("promote", PASSED).exit_code == 0
    told = [run("export", "--mlflow", str(target), "--json") for _ in range(2)]
    assert [ran.exception for ran in told] == [None, None]
    first, second = (json.loads(ran.stdout) for ran in told)
    assert [(one["model_id"], one["new"]) for one in first] == [(PASSED, True), (REFUSED, True)]
    assert [(one["run_id"], one["new"]) for one in second] == [(one["run_id"], False) for one in first]
    client = mlflow.MlflowClient(f"sqlite:///{target}/mlflow.db", f"sqlite:///{target}/mlflow.db")
    exported = client.get_run(first[0]["run_id"])
    assert exported.data.metrics["auc"] == 0.51
    assert exported.data.tags["gal_friday.stage"] == "production"
    name = PASSED.partition("@")[0].replace(":", ".")
    assert client.get_model_version_by_alias(name, "production").run_id == first[0]["run_id"]
    assert next(target.rglob("model.ubj")).read_bytes() == model_files()["model.ubj"]
    run("demote", PASSED)
    run("export", PASSED, "--mlflow", str(target))
    assert client.get_registered_model(name).aliases == {}
    assert client.get_run(first[0]["run_id"]).data.tags["gal_friday.stage"] == "staging"


def test_promotion_names_who_decided(run):
    assert "is now in production" in " ".join(run("promote", PASSED).stdout.split())
    assert "was already in production" in " ".join(run("promote", PASSED).stdout.split())
    event = json.loads(run("show", PASSED, "--json").stdout)["history"][-1]
    assert (event["actor"], event["stage"], event["override"]) == ("ada", "production", False)


def test_a_refused_model_needs_an_override_with_its_reason(run):
    refused = run("promote", REFUSED)
    assert isinstance(refused.exception, RegistryError)
    assert "refused for production: dsr: bad" in str(refused.exception)
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
