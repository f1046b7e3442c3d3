"""Training learns what is there, says so when nothing is, leaks nothing, and repeats itself to the byte."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gal_friday_core import artifact
from gal_friday_core.candles import Candles
from gal_friday_core.config import CostsConfig
from gal_friday_core.errors import DataError
from gal_friday_core.features.drivers import FeatureTable
from gal_friday_core.predictor import Predictor
from gal_friday_core.splits import rolling
from gal_friday_core.times import DAY_NS
from gal_friday_core.training import train, train_on, walk_folds, walk_splits
from gal_friday_core.training_set import assemble
from tests.core.informed_market import CONFIG, MINUTE, SCHEMA, START, market


@pytest.fixture(scope="module")
def informed():
    return train(*market(), CONFIG, code_version="abc123")


@pytest.fixture(scope="module")
def ignorant():
    return train(*market(strength=0.0), CONFIG)


def test_a_feature_that_tells_the_future_passes_the_gates(informed):
    scores = informed.report.pooled
    assert informed.passed, informed.report.verdict.reasons
    assert scores.auc.low > 0.6
    assert scores.log_loss.value < scores.base_log_loss
    assert scores.mean_net_return.low > 0
    assert len(informed.report.folds) == 3
    assert "better than always saying" in informed.report.verdict.reasons[0]


def test_noise_is_refused_and_the_reason_is_told(ignorant):
    assert not ignorant.passed
    assert ignorant.report.pooled.auc.low < 0.5 < ignorant.report.pooled.auc.high
    assert any("of the base rate" in reason for reason in ignorant.report.verdict.reasons)


def test_the_same_input_gives_the_same_bytes(informed):
    again = train(*market(), CONFIG, code_version="abc123")
    assert again.files == informed.files
    assert again.artifact_id == informed.artifact_id


def test_another_seed_gives_another_model(informed):
    other = CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update={"seed": 5})})
    assert train(*market(), other).files[artifact.MODEL] != informed.files[artifact.MODEL]


def test_what_comes_after_the_holdout_begins_changes_no_model(informed):
    candles, table = market()
    later = candles.ts >= informed.holdout_start_ns
    changed = Candles(
        candles.series, candles.ts,
        *(np.where(later, column * 3, column) for column in candles.columns()[1:5]),
        candles.volume, candles.trades,
    )  # fmt: skip
    values = np.where(later[:, None], -7.0, table.values)
    again = train(changed, FeatureTable(table.ts, values, SCHEMA), CONFIG, code_version="abc123")
    for name in (artifact.MODEL, artifact.CALIBRATION, artifact.REPORT):
        assert again.files[name] == informed.files[name]


def test_no_label_of_the_training_set_reaches_the_holdout():
    data = assemble(*market(), CONFIG)
    assert data.labels.t1_ns.max() + data.embargo_ns < data.holdout_start_ns
    assert np.isfinite(data.features(np.arange(len(data.labels)))).all()


def test_the_artifact_predicts_and_says_where_it_came_from(informed):
    model = Predictor.from_files(informed.files, model_id="m@v1", model_type="m", version=1)
    row = np.array([0.001, 1.0, 0.0, 0.0])
    assert model.predict_row(row) > model.predict_row(row * [1, -1, 1, 1])
    assert 0 < model.entry_threshold < 1
    assert model.metadata.code_version == "abc123"
    assert model.metadata.data["candles_sha256"] == market()[0].fingerprint()
    assert model.metadata.parity["differing"] == 0
    assert model.metadata.parity["rows"] > 1_000
    assert model.barriers == CONFIG.barriers
    assert model.costs == CONFIG.costs


def test_the_report_file_is_the_report(informed):
    report = json.loads(informed.files[artifact.REPORT])
    assert report == json.loads(json.dumps(informed.report.to_dict(), allow_nan=False))


def test_progress_is_told_to_its_end():
    told = []
    train(*market(6_000), CONFIG, lambda *stage: told.append(stage))
    assert told[0] == ("labels", 0, 1)
    assert ("folds", 3, 3) in told
    assert ("model", 1, 1) in told
    assert ("evidence: paths", 15, 15) in told
    assert told[-1] == ("evidence: candles", 1, 1)


def test_too_few_events_say_how_many_are_needed():
    with pytest.raises(DataError, match=r"test:BTC-USD:1m: \d+ labelled events from 600 candles.*500"):
        train(*market(600), CONFIG)


def test_a_short_history_is_read_at_every_bar_before_it_is_refused():
    candles, table = market(1_000)
    assert assemble(candles, table, CONFIG).stride_bars == 1
    assert assemble(*market(6_000), CONFIG).stride_bars == CONFIG.training.stride_bars


def test_a_lookback_learns_from_the_latest_days_alone_with_features_that_know_what_was_before():
    candles, table = market(12_000)
    days = 6_000 * candles.series.interval_ns / DAY_NS
    found = assemble(candles, table, changed(lookback_days=days))
    assert (found.candle_rows, found.first_ns, found.last_ns) == (6_000, candles.ts[6_000], candles.ts[-1])
    assert found.candles_fingerprint == candles[6_000:].fingerprint()
    assert found.table_rows[0] == 0
    assert np.array_equal(found.features(np.array([0]))[0], table.values[6_000])
    assert assemble(candles, table, changed(lookback_days=10_000)).candle_rows == 12_000


def test_no_candles_say_what_to_do():
    candles, table = market(100)
    with pytest.raises(DataError, match="no candles; ingest history first"):
        train(candles[:0], table[:0], CONFIG)


def test_costs_that_no_target_can_pay_are_refused_in_plain_words():
    costly = CONFIG.model_copy(update={"costs": CostsConfig(taker_fee="0.5")})
    with pytest.raises(DataError, match="labelled trades lost: there is nothing to learn"):
        train(*market(6_000), costly)


def test_constant_features_are_refused_in_plain_words():
    candles, table = market(6_000)
    values = np.where(np.isnan(table.values), np.nan, 1.0)
    with pytest.raises(DataError, match="every feature is constant"):
        train(candles, FeatureTable(table.ts, values, SCHEMA), CONFIG)


def test_features_of_other_bars_are_refused():
    candles, table = market(6_000)
    with pytest.raises(DataError, match="holds bars that the candles do not"):
        train(candles, FeatureTable(table.ts + 1, table.values, SCHEMA), CONFIG)


def test_features_of_a_part_of_the_bars_are_enough():
    candles, table = market(12_000)
    assert len(assemble(candles, table[1_000:], CONFIG).labels) < len(assemble(candles, table, CONFIG).labels)


def changed(**training):
    return CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update=training)})


@pytest.fixture(scope="module")
def linear():
    return train(*market(), changed(learner="logistic", calibration="isotonic"))


def test_the_baseline_learns_calibrates_and_is_served_from_its_files(linear):
    model = Predictor.from_files(linear.files, model_id="m@v1", model_type="m", version=1)
    assert linear.passed, linear.report.verdict.reasons
    assert artifact.MODEL not in linear.files
    rows = np.random.default_rng(0).normal(size=(300, 4)) * [0.001, 1, 1, 1]
    assert [model.predict_row(row) for row in rows] == model.predict(rows).tolist()
    assert model.metadata.libraries.keys() >= {"scikit-learn", "numpy"}
    assert model.metadata.parity["differing"] == 0


def test_the_baseline_repeats_itself_to_the_byte(linear):
    again = train(*market(), changed(learner="logistic", calibration="isotonic"))
    assert again.files == linear.files


def test_folds_side_by_side_give_the_bytes_of_folds_in_turn(informed):
    with ThreadPoolExecutor(3) as pool:
        again = train_on(assemble(*market(), CONFIG), CONFIG, code_version="abc123", fits=pool.map)
    assert again.files == informed.files
    assert train(*market(), changed(workers=4), code_version="abc123").files == informed.files


def test_the_final_model_takes_the_median_of_the_rounds_that_the_folds_found_best():
    config = changed(trees=200, early_stopping_rounds=5, learning_rate=0.3)
    data = assemble(*market(), config)
    rounds = [fold.learnt.fitted.rounds for fold in walk_folds(data, config.training)]
    candidate = train_on(data, config)
    assert max(rounds) < 200
    assert candidate.metadata.data["rounds"] == int(np.median(rounds))
    assert candidate.metadata.parity["differing"] == 0


def test_events_weigh_as_much_as_their_trade_is_their_own():
    data = assemble(*market(), CONFIG)
    weight = data.uniqueness[data.events]
    length = (data.labels.t1_ns - data.labels.t0_ns)[data.events] // MINUTE
    assert 0 < weight.min() < weight.max() <= 1
    assert (np.delete(data.uniqueness, data.events) == 0).all()
    # Events stand three bars apart: a trade that ends within three shares at most its last bar's neighbours.
    assert weight[length <= 3].mean() > weight[length > 8].mean()
    alike = assemble(*market(), changed(weights="none"))
    assert (alike.uniqueness[alike.events] == 1).all()


def test_what_happens_after_a_fold_trains_changes_no_weight_of_its_training():
    candles, table = market()
    data = assemble(candles, table, CONFIG)
    split = walk_folds(data, CONFIG.training)[0].learnt
    cut = int(data.labels.t1_ns[split.fit].max())
    later = candles.ts > cut + 10 * MINUTE
    moved = Candles(
        candles.series, candles.ts,
        *(np.where(later, column * 3, column) for column in candles.columns()[1:5]),
        candles.volume, candles.trades,
    )  # fmt: skip
    again = assemble(moved, table, CONFIG)
    assert again.uniqueness[split.fit].tobytes() == data.uniqueness[split.fit].tobytes()


def test_retrains_side_by_side_are_those_in_turn():
    data = assemble(*market(), CONFIG)
    labels = data.labels[data.events]
    splits = rolling(
        labels.t0_ns, labels.t1_ns, first_ns=START + 6_000 * MINUTE, train_ns=3_000 * MINUTE,
        test_ns=1_000 * MINUTE, calibration_fraction=0.2, embargo_ns=data.embargo_ns,
    )  # fmt: skip
    in_turn = walk_splits(data, CONFIG.training, splits)
    with ThreadPoolExecutor(3) as pool:
        together = walk_splits(data, CONFIG.training, splits, fits=pool.map)
    assert len(in_turn) == len(splits) == 5
    for one, other in zip(in_turn, together, strict=True):
        assert one.probability.tobytes() == other.probability.tobytes()
        assert one.learnt.fitted.files() == other.learnt.fitted.files()
