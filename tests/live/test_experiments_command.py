import asyncio
import json

import pytest
from typer.testing import CliRunner

from gal_friday_core.errors import ConfigError, RegistryError
from gal_friday_live.cli import app
from gal_friday_live.commands.storage import open_database
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.experiment_manager import ExperimentManager
from gal_friday_live.model_registry import ModelRegistry
from tests.live.certified import promote
from tests.live.world import SERIES, START, files

V1, V2 = (f"{SERIES.key}@v{number}" for number in (1, 2))
CREATE = ("create", "--name", "night", "--control", V1, "--challenger", V2)


def command(*arguments):
    result = CliRunner().invoke(app, ["experiments", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


@pytest.fixture
def registry(database_url, tmp_path, monkeypatch):
    """One model in production, one in staging."""
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("USER", "ada")

    async def register():
        manager = ConfigurationManager()
        async with open_database(manager.config) as database:
            models = ModelRegistry(manager, database)
            for seed in (3, 11):
                await models.register_model(files(seed), {})
            await promote(models, V1)
            await models.promote_model(V2, "staging")

    asyncio.run(register())


async def _tell(count):
    manager = ConfigurationManager()
    async with open_database(manager.config) as database:
        experiments = ExperimentManager(manager, database)
        for unit in range(count):
            for variant in ("control", "challenger"):
                told = {"unit": str(unit), "value": unit % 7 / 10, "timestamp": START + unit}
                await experiments.record_outcome("night", variant, told)


def test_experiment_is_created_started_shown_and_stopped(registry):
    made = json.loads(command(*CREATE, "--json"))
    assert "experiments start other" in command(
        "create", "--name", "other", "--control", V1, "--challenger", V2
    )
    begun = json.loads(command("start", "night", "--json"))
    assert begun["experiment_id"] == made["experiment_id"]
    assert begun["block"] == 300
    assert begun["plan"] is None
    asyncio.run(_tell(20))
    shown = json.loads(command("show", "night", "--json"))
    assert (shown["state"], shown["units"]) == ("RUNNING", 20)
    assert [event["action"] for event in shown["history"]] == ["CREATED", "STARTED"]
    assert shown["history"][0]["actor"] == "ada"
    text = " ".join(command("show", "night").split())
    assert "night RUNNING, in the shadow, 20 units" in text
    assert "Go on" in text
    assert json.loads(command("review", "night", "--json"))["state"] == "RUNNING"
    assert command("stop", "night") == "night is stopped.\n"
    listed = json.loads(command("list", "--json"))
    assert [(one["name"], one["state"]) for one in listed] == [("night", "STOPPED"), ("other", "CREATED")]
    assert "other" in command("list", "--state", "CREATED")


def test_design_can_be_a_file(registry, tmp_path):
    design = tmp_path / "design.yaml"
    design.write_text(
        f"name: split\nseries: {SERIES.key}\nmode: split\nunit: hour\nvariants:\n"
        f"  - {{name: champion, model_id: '{V1}'}}\n  - {{name: challenger, model_id: '{V2}'}}\n"
    )
    command("create", str(design))
    begun = json.loads(command("start", "split", "--json"))
    assert begun["block"] == 10
    shown = json.loads(command("show", "split", "--json"))
    assert shown["traffic_split"] == {"champion": 0.5, "challenger": 0.5}


def test_bad_input_says_what_is_wrong(registry, tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("- a\n- b\n")
    for arguments, error, said in (
        (("create", "--name", "x"), ConfigError, "give a DESIGN.yaml, or --name, --control and --challenger"),
        (("create", str(broken)), ConfigError, "a design is a mapping"),
        (("create", str(tmp_path / "none.yaml")), ConfigError, "No such file"),
        (("create", "--name", "x", "--control", V1, "--challenger", V1), ConfigError, "the same model twice"),
        (
            ("create", "--name", "x", "--control", V1, "--challenger", f"{V1}9"),
            RegistryError,
            "unknown model",
        ),
        (("start", "nothing"), RegistryError, "unknown experiment 'nothing'"),
    ):
        with pytest.raises(error, match=said):
            command(*arguments)


def test_simulation_tells_what_was_found_as_json():
    null = json.loads(command("simulate", "--kind", "aa", "--runs", "60", "--units", "2000", "--json"))
    assert null["alpha"] == 0.05
    assert null["false_positive_rate"] <= 0.1
    assert null["power"] is None
    better = json.loads(command("simulate", "--kind", "ab", "--runs", "60", "--units", "2000", "--json"))
    assert better["power"] > 0.6
    assert better["median_stop"] > 0
    assert better["false_positive_rate"] is None
    assert "false positive rate" in command("simulate", "--runs", "5", "--units", "2000")
    with pytest.raises(ConfigError, match="40 at least"):
        command("simulate", "--units", "1000")
