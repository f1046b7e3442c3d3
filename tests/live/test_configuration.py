"""Configuration: defaults, files, environment, and one clear line for every mistake."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_live.configuration import DEFAULT_FILE, ConfigurationManager, keys
from gal_friday_live.yaml_file import read_yaml


def manager(path=None, environ=None):
    return ConfigurationManager(str(path) if path else None, environ=environ or {})


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_default_file_names_every_key_and_equals_the_defaults():
    values = read_yaml(DEFAULT_FILE)
    sections = {key.rpartition(".")[0] for key in keys() if "." in key} | {"module_communication"}
    assert set(values.where) - sections == set(keys())
    assert manager(DEFAULT_FILE).config == Config()


def test_every_key_of_the_default_file_has_a_comment_above_it():
    lines = DEFAULT_FILE.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if re.match(r"  +\w+:", line) and not lines[number - 1].endswith(":"):
            assert lines[number - 1].lstrip().startswith("#"), line


def test_without_a_file_the_defaults_hold():
    assert manager().config == Config()


def test_environment_wins_over_the_file(tmp_path):
    path = written(tmp_path, "risk:\n  risk_per_trade: 0.02\n  min_order_value: 7\n")
    loaded = manager(path, {"GAL_FRIDAY__RISK__RISK_PER_TRADE": "0.01"})
    assert loaded.get("risk.risk_per_trade") == Decimal("0.01")
    assert loaded.get("risk.min_order_value") == 7


def test_short_names_set_storage(tmp_path):
    loaded = manager(
        environ={
            "GAL_FRIDAY_DATA_DIR": str(tmp_path),
            "GAL_FRIDAY_DATABASE_URL": "postgresql://u:hunter2@h/d",
        }
    )
    assert loaded.config.storage.data_dir == tmp_path
    assert "hunter2" not in repr(loaded.config)


def test_a_list_comes_from_the_environment_as_json():
    loaded = manager(environ={"GAL_FRIDAY__MARKET__PAIRS": '["ETH/USD", "BTC/USD"]'})
    assert loaded.get_trading_pairs() == ["ETH/USD", "BTC/USD"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "risk:\n  risk_per_trad: 0.02\n",
            r"line 2: unknown .* risk\.risk_per_trad: did you mean risk\.risk_per_trade\?",
        ),
        ("rsk:\n  risk_per_trade: 0.02\n", r"line 1: unknown .* rsk: did you mean risk\?"),
        ("strategy:\n  risk_per_trade: 0.02\n", r"line 2: .*did you mean risk\.risk_per_trade\?"),
        ("training:\n  trees: many\n", r"line 2: training\.trees: must be a valid integer"),
        ("training:\n  trees: 0\n", r"line 2: training\.trees: must be greater than or equal to 1"),
        ("training:\n  trees: true\n", r"line 2: training\.trees does not take true or false"),
        ("training: 5\n", r"line 1: training is a section"),
        ("market:\n  exchange: NO\n", r"line 2: market\.exchange: the unquoted word NO"),
        ("market:\n  pairs: [ON]\n", r"line 2: market\.pairs: the unquoted word ON"),
        ("market:\n  interval: 7m\n", r"line 2: market\.interval: must be '1m'"),
        ("risk:\n  min_order_value: 5\nrisk:\n  min_order_value: 6\n", r"line 3: risk is written twice"),
        ("risk:\n  min_order_value: [5\n", r"line \d: not valid YAML"),
        ("- risk\n", r"expected sections"),
        ("training:\n  seed: 12:30\n", r"line 2: training\.seed: must be a valid integer"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_with_key_and_place(tmp_path, text, says):
    with pytest.raises(ConfigError, match=says) as caught:
        manager(written(tmp_path, text)).load_config()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("GAL_FRIDAY__RISK__RISK_PER_TRAD", "1", r"did you mean risk\.risk_per_trade\?"),
        ("GAL_FRIDAY__RSK", "1", r"unknown configuration key rsk: did you mean risk\?"),
        ("GAL_FRIDAY__RISK", "{}", r"unknown configuration key risk: did you mean"),
        ("GAL_FRIDAY__TRAINING__TREES", "many", r"TREES: training\.trees: must be a valid integer"),
        ("GAL_FRIDAY__MARKET__PAIRS", "BTC/USD", r"PAIRS: a list is written as JSON"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(name, value, says):
    with pytest.raises(ConfigError, match=says) as caught:
        manager(environ={name: value}).load_config()
    assert name in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yaml: No such file"):
        manager(tmp_path / "absent.yaml").load_config()


def test_an_empty_file_and_an_empty_section_are_defaults(tmp_path):
    assert manager(written(tmp_path, "# nothing yet\n")).config == Config()
    assert manager(written(tmp_path, "risk:\n  # nothing yet\n")).config == Config()


def test_no_message_shows_a_value(tmp_path):
    path = written(tmp_path, "storage:\n  data_dir: [hunter2]\n")
    with pytest.raises(ConfigError) as caught:
        manager(path).load_config()
    assert "hunter2" not in str(caught.value)


def test_a_database_url_in_a_file_that_others_may_read_is_refused(tmp_path):
    path = written(tmp_path, "storage:\n  database_url: postgresql://u:hunter2@h/d\n")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        manager(path).load_config()
    path.chmod(0o600)
    assert manager(path).config.storage.database_url.get_secret_value() == "postgresql://u:hunter2@h/d"


def test_get_refuses_an_unknown_key_even_with_a_default():
    with pytest.raises(ConfigError, match=r"did you mean risk\.risk_per_trade\?"):
        manager().get("risk.risk_per_trad", 1)
    assert manager().get("storage.data_dir", "fallback") == "fallback"


def test_strategy_parameters_of_an_unknown_strategy_are_refused():
    assert manager().get_strategy_parameters("threshold")["margin"] == 0.0
    with pytest.raises(ConfigError, match="unknown strategy 'momentum'"):
        manager().get_strategy_parameters("momentum")


def test_api_keys_do_not_print_and_come_in_pairs(tmp_path):
    assert manager().get_api_keys() == {}
    found = manager(environ={"KRAKEN_API_KEY": "hunter2", "KRAKEN_API_SECRET": "hunter3"}).get_api_keys()
    assert found["key"].get_secret_value() == "hunter2"
    assert "hunter" not in repr(found)
    with pytest.raises(ConfigError, match="KRAKEN_API_SECRET is missing"):
        manager(environ={"KRAKEN_API_KEY": "hunter2"}).get_api_keys()


def test_a_secret_file_must_be_private(tmp_path):
    path = tmp_path / "key"
    path.write_text("hunter2\n", encoding="utf-8")
    path.chmod(0o640)
    environ = {"KRAKEN_API_KEY_FILE": str(path), "KRAKEN_API_SECRET": "x"}
    with pytest.raises(ConfigError, match="chmod 600") as caught:
        manager(environ=environ).get_api_keys()
    assert "hunter2" not in str(caught.value)
    path.chmod(0o600)
    assert manager(environ=environ).get_api_keys()["key"].get_secret_value() == "hunter2"


def test_a_missing_secret_file_is_an_error(tmp_path):
    environ = {"KRAKEN_API_KEY_FILE": str(tmp_path / "absent"), "KRAKEN_API_SECRET": "x"}
    with pytest.raises(ConfigError, match="No such file"):
        manager(environ=environ).get_api_keys()


NESTED = """\
module_communication:
  database:
    host: db.example
    user: alpha one
  notifications:
    enabled: false
"""


def test_sections_stand_inside_sections_in_file_and_environment(tmp_path):
    environ = {
        "GAL_FRIDAY__MODULE_COMMUNICATION__DATABASE__PASSWORD": "p@ss",
        "GAL_FRIDAY__RISK__MIN_ORDER_VALUE": "7",
    }
    loaded = manager(written(tmp_path, NESTED), environ)
    found = loaded.config.module_communication
    assert found.database.url == "postgresql://alpha%20one:p%40ss@db.example:5432/gal_friday"
    assert (found.notifications.enabled, loaded.get("module_communication.cleanup.retention_days")) == (
        False,
        7,
    )
    assert "p@ss" not in repr(loaded.config)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("module_communication:\n  databas:\n    host: x\n", r"line 2: unknown configuration key module_communication\.databas"),
        ("module_communication:\n  database: x\n", r"line 2: module_communication\.database is a section"),
        ("module_communication:\n  database:\n    port: true\n", r"line 3: .*port does not take true or false"),
        ("module_communication:\n  notifications:\n    channels: [other]\n", "there is none named other"),
    ],
)  # fmt: skip
def test_a_wrong_key_inside_a_section_inside_is_named_with_its_line(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        _ = manager(written(tmp_path, text)).config


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (
            "module_communication.database.password",
            "module_communication:\n  database:\n    password: hunter2\n",
        ),
        ("dagster.broker_url", "dagster:\n  broker_url: redis://:hunter2@h:6379/0\n"),
        ("timeseries.token", "timeseries:\n  token: hunter2\n"),
    ],
)
def test_a_file_with_what_is_secret_must_be_its_owner_s_only(tmp_path, key, text):
    path = written(tmp_path, text)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match=re.escape(key)) as told:
        _ = manager(path).config
    assert "hunter2" not in str(told.value)
