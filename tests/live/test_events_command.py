"""`gal-friday events schema`: every event, for machines and for people."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gal_friday_core.errors import ContractError
from gal_friday_live.cli import app

CONTRACT = json.loads(Path(__file__).with_name("contract.json").read_text(encoding="utf-8"))


def run(*arguments):
    return CliRunner().invoke(app, ["events", "schema", *arguments])


def test_the_json_schema_of_each_event_is_printed():
    schemas = json.loads(run("--json").stdout)
    assert schemas.keys() == {*CONTRACT["events"], *CONTRACT["events_of_003"]}
    for event_type, fields in CONTRACT["events"].items():
        assert set(fields) <= schemas[event_type]["properties"]["payload"]["properties"].keys()


def test_one_event_can_be_asked_for():
    assert list(json.loads(run("MARKET_DATA_L2", "--json").stdout)) == ["MARKET_DATA_L2"]


def test_people_get_a_table_of_fields():
    shown = run("EXECUTION_REPORT").stdout
    assert "quantity_filled" in shown
    assert "string (decimal)" in shown
    assert "PARTIALLY_FILLED" in shown


def test_an_unknown_event_is_refused_with_the_known_ones():
    with pytest.raises(ContractError, match="unknown event type 'TICK': use one of MARKET_DATA_L2"):
        raise run("TICK").exception
