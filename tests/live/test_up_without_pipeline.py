"""`up` where only the engine is installed: said at once, before anything is started."""

import sys

from typer.testing import CliRunner

from gal_friday_core.errors import ConfigError
from gal_friday_live.cli import app


def test_up_says_at_once_that_the_pipeline_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(
        "gal_friday_live.pipeline_process.find_spec", lambda name: None if name == "dagster" else sys
    )
    ran = CliRunner().invoke(app, ["up"])
    assert isinstance(ran.exception, ConfigError)
    assert "not installed here (dagster): pip install 'gal-friday[pipeline]'" in str(ran.exception)
    assert not (tmp_path / "data").exists()
