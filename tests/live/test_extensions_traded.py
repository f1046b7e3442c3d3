"""Extensions at work: a stranger's strategy is backtested by its name, models are trained on a stranger's features and served them."""

import asyncio
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gal_friday_core import artifact
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, SchemaMismatchError
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import FeatureStream
from gal_friday_core.features.registry import feature_set, set_of
from gal_friday_core.features.streams import compute, from_history
from gal_friday_core.predictor import Predictor
from gal_friday_core.strategies.registry import factory
from gal_friday_core.sweeps.grid import axis, configured, grid, usual
from gal_friday_core.training import train
from gal_friday_live.backtesting import BacktestingEngine
from gal_friday_live.bar_features import BarStream
from gal_friday_live.cli import app
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.extension_making import make
from gal_friday_testkit.feature_sets import check_streams
from tests.live.extending import Site
from tests.live.world import CALM, SERIES, market, played

CASH = Decimal(10_000)
ROOT = Path(__file__).parents[2]
SMALL = {
    "barriers": {"horizon_bars": 12, "min_width": 0.001},
    "training": {"trees": 8, "depth": 2, "folds": 2, "min_events": 200, "embargo_bars": 12, "threads": 1},
}


@pytest.fixture
def site(tmp_path, monkeypatch):
    found = Site(tmp_path, monkeypatch)
    yield found
    found.forget()


def backtest(config, **given):
    engine = BacktestingEngine(ConfigurationManager.from_config(config), **given)
    return asyncio.run(engine.run(played(), CASH)), engine


def told(report):
    """What a run earned and how: all but how it was driven."""
    kept = {key: report[key] for key in ("final_equity", "fees", "trade_list", "trades")}
    return json.dumps(kept, default=str)


def test_the_kernel_itself_keeps_what_is_asked_of_strangers():
    from gal_friday_testkit.promise import broken_off
    from gal_friday_testkit.promise import market as made_up

    check_streams(lambda ns: FeatureStream(CANDLES_V1, ns), CANDLES_V1.features, broken_off(made_up(2_200)))


def test_a_strategy_from_outside_trades_the_same_skipping_and_bar_by_bar(site):
    site.template("strategy", "twice-breakout")
    config = Config.model_validate(
        {
            "strategy": {"id": "twice-breakout"},
            "extensions": {"twice-breakout": {"bars": 40, "stop": "0.004", "target": "0.006"}},
            "risk": CALM,
        }
    )
    skipping, _ = backtest(config)
    exact, engine = backtest(config, exact=True)
    assert skipping["driver"]["name"] == "scan"
    assert exact["driver"]["name"] == "engine"
    assert skipping["trades"]["count"] > 10
    assert told(skipping) == told(exact)
    assert skipping["context"]["extensions"].startswith("twice-breakout-0.1.0+")
    intents = [entry.record for entry in engine.journal.entries if entry.kind == "ORDER_INTENT"]
    assert intents
    assert all(skipping["context"]["extensions"] in intent["code_version"] for intent in intents)


def test_a_rule_from_outside_tightens_the_same_skipping_and_bar_by_bar(site):
    site.template("risk-rule", "night-watch")
    asked = {"from_hour": 10, "to_hour": 20, "share": "0.5"}
    plain = {"strategy": {"id": "ema_cross"}, "risk": CALM}
    ruled = {
        **plain,
        "risk": {**CALM, "rules": ["night-watch"]},
        "extensions": {"night-watch": {**asked, "share": 0}},
    }
    free, _ = backtest(Config.model_validate(plain))
    none, _ = backtest(Config.model_validate(ruled))
    half = Config.model_validate({**ruled, "extensions": {"night-watch": asked}})
    skipping, exact = backtest(half)[0], backtest(half, exact=True)[0]
    assert told(skipping) == told(exact)
    assert skipping["engine"]["signals"] == exact["engine"]["signals"]
    assert 0 < none["trades"]["count"] < free["trades"]["count"]
    assert none["engine"]["signals"]["RULE_NIGHT_WATCH"] > 0
    assert Decimal(skipping["fees"]) < Decimal(free["fees"])


def test_the_command_backtests_it_by_its_name(site, tmp_path):
    site.template("strategy", "named-breakout")
    history = tmp_path / "XBTUSD_1.csv"
    rows = zip(*(column.tolist() for column in market().columns()), strict=True)
    history.write_text(
        "".join(f"{ts // 10**9},{o},{h},{low},{c},{v},{n}\n" for ts, o, h, low, c, v, n in rows)
    )
    arguments = ["backtest", "--history", str(history), "--strategy", "named-breakout", "--json"]
    ran = CliRunner().invoke(app, arguments, env={"GAL_FRIDAY_DATA_DIR": str(tmp_path / "data")})
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["strategy"] == "named-breakout"


@pytest.fixture
def learnt(site):
    """A model trained on a stranger's set, the configuration it trades under, and the set."""
    site.template("feature-set", "steady-set")
    config = Config.model_validate(
        {
            **SMALL,
            "features": {"sets": ["steady-set"]},
            "training": {**SMALL["training"], "feature_set": "steady-set"},
            "risk": CALM,
        }
    )
    schema = feature_set(config.training.feature_set)
    candles = market()
    candidate = train(candles, compute(candles, schema), config, code_version="test")
    predictor = Predictor.from_files(
        candidate.files, model_id=f"{SERIES.key}@v1", model_type=SERIES.key, version=1
    )
    return config, schema, candidate, predictor


def test_a_model_learns_from_a_strangers_features_is_served_them_and_refused_with_other_code(
    site, learnt, monkeypatch
):
    config, schema, candidate, predictor = learnt
    assert schema.names[: len(CANDLES_V1)] == CANDLES_V1.names
    assert schema.names[len(CANDLES_V1) :] == ("steady_set_efficiency_30", "steady_set_range_ratio_30")
    described = json.loads(candidate.files[artifact.FEATURES])
    assert described["schema"]["code"] == schema.code
    assert predictor.metadata.feature_set == "steady-set"
    assert candidate.evidence.canary.recomputed
    assert candidate.evidence.canary.differing == 0
    fast, _ = backtest(config, predictor=predictor)
    exact, _ = backtest(config, predictor=predictor, exact=True)
    assert fast["driver"]["name"] == "scan"
    assert exact["engine"]["predictions"] == fast["engine"]["predictions"] == len(played().bars)
    assert told(fast) == told(exact)

    (site.folder / "steady_set" / "more.py").write_text("# another file of the package\n")
    monkeypatch.syspath_prepend(str(site.folder / "restarted"))  # as a process that starts anew sees it
    assert feature_set("steady-set").hash != schema.hash
    assert set_of(schema.hash) is None
    with pytest.raises(SchemaMismatchError, match="no kernel computes feature set 'steady-set'"):
        compute(market(), schema)
    with pytest.raises(SchemaMismatchError, match=r"was trained on steady-set .* train again"):
        backtest(config, predictor=predictor)


def test_the_live_stream_gives_the_tables_bits(site):
    site.template("feature-set", "live-set")
    schema, candles = feature_set("live-set"), market()
    table = compute(candles, schema).values
    stream = BarStream(SERIES, candles[:3_000], (schema,))
    assert stream.ready
    stream.fill(candles[3_000:3_010])
    after = from_history(candles[:3_010], schema)
    for row, bar in enumerate(
        zip(*(column.tolist() for column in candles[3_010:3_100].columns()[:6]), strict=True)
    ):
        assert after.update(*bar).tobytes() == table[3_010 + row].tobytes()
    assert np.isfinite(table[CANDLES_V1.warmup :]).all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"training": {"feature_set": "lone-set"}}, "lone-set must be among features.sets"),
        ({"training": {"feature_set": "book-v1"}}, "needs recorded books"),
        (
            {"training": {"feature_set": "no-set"}},
            "unknown feature set 'no-set': training.feature_set is one of",
        ),
        ({"features": {"sets": ["no-set"]}}, "unknown feature set 'no-set': features.sets is one of"),
    ],
)
def test_a_set_that_cannot_be_trained_on_or_served_is_refused(site, settings, says):
    site.template("feature-set", "lone-set")
    with pytest.raises(ValueError, match=says):
        Config.model_validate(settings)


@pytest.mark.parametrize(
    ("column", "says"),
    [("volatility_60", "volatility_60 is there already"), ("", "it has none")],
)
def test_columns_that_cannot_be_are_refused(site, column, says):
    features = f'(Feature("{column}", "1", 0, "none"),)' if column else "()"
    site.package(
        "bad-columns",
        "from gal_friday_core.extensions.contracts import FeatureSetExtension\n"
        "from gal_friday_core.features.schema import Feature\n"
        f"SET = FeatureSetExtension(features={features}, stream=None)\n",
        feature_sets='bad-set = "bad_columns:SET"',
    )
    with pytest.raises(ConfigError, match=says):
        feature_set("bad-set")


def test_every_template_passes_its_own_tests(tmp_path):
    folders = []
    for kind in ("strategy", "feature-set", "risk-rule", "exchange"):
        folders.append(tmp_path / f"own-{kind}")
        make(kind, f"own-{kind}", folders[-1])
    path = os.pathsep.join([str(ROOT), *(str(folder / "src") for folder in folders)])
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(folder / "tests") for folder in folders)],
        env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path, text=True, capture_output=True, check=False, timeout=240,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_sweep_varies_the_parameters_of_a_package_like_those_of_a_section(site):
    site.template("strategy", "swept-breakout")
    base = Config.model_validate(
        {"strategy": {"id": "swept-breakout"}, "extensions": {"swept-breakout": {"target": "0.05"}}}
    )
    found = grid(base, [axis("extensions.swept-breakout.bars=20,1,40"), axis("risk.risk_per_trade=0.01")])
    key = "extensions.swept-breakout.bars"
    assert [point[key] for point in found.points] == [20, 40]
    assert "bars: must be greater than or equal to 2" in found.refused[0]
    traded = configured(base, found.points[1])
    strategy = factory("swept-breakout")(traded, traded.barriers)
    assert strategy.rule.reach == 41
    assert traded.extensions["swept-breakout"] == {"target": "0.05", "bars": 40}
    with pytest.raises(ConfigError, match=r"extensions.swept-breakout.bas cannot be swept"):
        grid(base, [axis("extensions.swept-breakout.bas=20,40")])
    with pytest.raises(ConfigError, match="name what is to be swept of strategy swept-breakout"):
        usual("swept-breakout")
