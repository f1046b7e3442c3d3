"""A real edge in a generated market passes every gate; the same market with a planted leak, or none, does not."""

from dataclasses import replace

import numpy as np
import pytest

from gal_friday_core import artifact
from gal_friday_core.certificate import Certificate
from gal_friday_core.errors import ArtifactError
from gal_friday_core.evidence.challenge import challenge
from gal_friday_core.evidence.parity import replay
from gal_friday_core.evidence.report import Evidence
from gal_friday_core.features.drivers import FeatureTable
from gal_friday_core.gates import Outside, certify, look_outside
from gal_friday_core.predictor import Predictor
from gal_friday_core.training import train
from tests.core.evidence.momentum_market import CONFIG, market

QUICK = CONFIG.model_copy(update={"validation": CONFIG.validation.model_copy(update={"tested_groups": 0})})
"""Without combinatorial cross-validation, which no gate asks for."""


def with_(config, **training):
    return config.model_copy(update={"training": config.training.model_copy(update=training)})


def served(candidate, name="momentum@v1"):
    return Predictor.from_files(candidate.files, model_id=name, model_type="momentum", version=1)


@pytest.fixture(scope="module")
def edge():
    return train(*market(), CONFIG, code_version="abc123")


@pytest.fixture(scope="module")
def outside(edge):
    return look_outside(edge.files, *market(), CONFIG)


def test_a_real_edge_passes_every_gate(edge, outside):
    found = certify(edge.files, CONFIG.gates, outside)
    assert found.passed, found.reasons
    assert found.artifact_sha256 == edge.artifact_id
    assert found.feature_set == "candles-v1"
    assert found.code_version == "abc123"
    assert (found.trials, found.incumbent) == (1, None)


def test_the_same_data_and_configuration_give_the_same_certificate(edge, outside):
    again = train(*market(), CONFIG, code_version="abc123")
    assert again.files == edge.files
    certificate = certify(edge.files, CONFIG.gates, outside).to_bytes()
    assert certify(again.files, CONFIG.gates, outside).to_bytes() == certificate
    assert Certificate.from_bytes(certificate).to_bytes() == certificate


def test_the_evidence_is_whole(edge):
    found = Evidence.from_bytes(edge.files[artifact.EVIDENCE])
    assert found == edge.evidence
    assert sum(day.trades for day in found.days) == edge.report.pooled.trades
    assert sum(day.net_return for day in found.days) == pytest.approx(
        edge.report.pooled.total_net_return.value
    )
    assert {day.fold for day in found.days} == {1, 2, 3, 4}
    assert (found.combinatorial.splits, len(found.combinatorial.paths)) == (15, 5)
    assert found.combinatorial.losing_paths == 0
    assert {part.by for part in found.slices} == {"month", "volatility", "trend", "pair"}
    assert len(found.importance) == len(market()[1].schema)
    assert found.importance[0].contribution == max(one.contribution for one in found.importance)
    assert sum(one.gain for one in found.importance) == pytest.approx(1)
    assert sum(one.events for one in found.calibration) == edge.report.pooled.events
    assert found.canary.leaks == 0


def test_no_byte_of_the_evidence_comes_from_the_holdout(edge):
    candles, table = market()
    later = candles.ts >= edge.holdout_start_ns
    changed = replace(candles, **{
        name: np.where(later, getattr(candles, name) * 3, getattr(candles, name))
        for name in ("open", "high", "low", "close")
    })  # fmt: skip
    again = train(
        changed, FeatureTable(table.ts, np.where(later[:, None], 7.0, table.values), table.schema), CONFIG
    )
    assert again.files[artifact.EVIDENCE] == edge.files[artifact.EVIDENCE]


def leaking(column, strength):
    """The same features, one of which sees the return of the next 12 bars through noise."""
    candles, table = market(strength=0.0)
    future = np.full(len(candles), 0.0)
    future[:-12] = np.log(candles.close[12:] / candles.close[:-12]) / 0.02
    values = table.values.copy()
    noise = np.random.default_rng(3).normal(size=len(candles))
    values[:, table.schema.index(column)] += strength * future + noise
    return candles, FeatureTable(table.ts, values, table.schema)


def test_a_planted_leak_shows_splendid_results_and_is_refused_by_name():
    column = market()[1].schema.names[10]
    candles, table = leaking(column, 1.0)
    found = train(candles, table, QUICK)
    certificate = certify(found.files, CONFIG.gates, Outside())
    for deceived in ("log_loss_gain", "net_profit", "psr", "dsr", "stress_costs"):
        assert certificate.gate(deceived).passed, deceived
    gate = certificate.gate("leakage_canary")
    assert not gate.passed
    assert column in gate.about
    assert found.evidence.canary.differing == CONFIG.validation.canary_rows
    assert found.evidence.canary.features == (column,)
    assert not certificate.passed


def test_a_leak_that_can_be_computed_again_is_refused_as_too_good_to_be_true():
    """The data itself is poisoned, so that cutting the candles off changes nothing."""
    column = market()[1].schema.names[10]
    candles, table = leaking(column, 8.0)
    found = train(
        candles,
        table,
        QUICK,
        recompute=lambda past, _: table[: int(np.searchsorted(table.ts, past.ts[-1])) + 1],
    )
    gate = certify(found.files, CONFIG.gates, Outside()).gate("leakage_canary")
    assert found.evidence.canary.differing == 0
    assert [suspect.feature for suspect in found.evidence.canary.suspects] == [column]
    assert f"{column} alone tells the outcome" in gate.about
    assert not gate.passed


def test_nothing_to_be_found_is_refused():
    found = certify(train(*market(strength=0.0), QUICK).files, CONFIG.gates, Outside())
    assert not found.gate("net_profit").passed
    assert not found.gate("psr").passed
    assert not found.passed


def test_an_incumbent_that_knows_nothing_is_beaten_and_one_that_knows_more_is_not(edge, outside):
    candles, table = market()
    config = with_(QUICK, holdout_fraction=0.4)
    knowing = served(train(candles, table, config), "knowing@v2")
    ignorant = served(train(*market(strength=0.0), config), "ignorant@v1")
    won = challenge(knowing, ignorant, candles, table, config, block_events=24)
    lost = challenge(ignorant, knowing, candles, table, config, block_events=24)
    assert won.gain.low > 0 > lost.gain.high
    certificate = certify(edge.files, CONFIG.gates, replace(outside, challenge=won))
    assert certificate.passed
    assert certificate.incumbent == "ignorant@v1"
    gate = certify(edge.files, CONFIG.gates, replace(outside, challenge=lost)).gate("beats_production")
    assert not gate.passed
    assert "knowing@v2 in production" in gate.about


def test_the_incumbent_is_met_on_the_way_to_a_certificate(edge):
    candles, table = market()
    ignorant = served(train(*market(strength=0.0), QUICK), "ignorant@v1")
    met = look_outside(edge.files, candles, table, CONFIG, incumbent=ignorant)
    assert met.challenge.incumbent == "ignorant@v1"
    assert met.challenge.events > 500
    assert (met.replay.rows, met.replay.differing) == (CONFIG.validation.replayed_bars, 0)
    assert look_outside(edge.files, candles, table, CONFIG, incumbent=served(edge)).challenge is None


def test_a_model_is_not_compared_with_itself_nor_with_one_of_another_trade(edge):
    candles, table = market()
    mine = served(edge)
    assert challenge(mine, mine, candles, table, CONFIG, block_events=10) is None
    wider = CONFIG.barriers.model_copy(update={"horizon_bars": 24})
    other = served(train(candles, table, QUICK.model_copy(update={"barriers": wider})), "other@v3")
    found = challenge(mine, other, candles, table, CONFIG, block_events=10)
    assert found.gain.low is None
    gate = certify(edge.files, CONFIG.gates, Outside(challenge=found)).gate("beats_production")
    assert not gate.passed
    assert "another trade" in gate.about


def test_a_replay_sees_a_single_changed_bit_and_a_lost_bar(edge):
    candles, table = market()
    values = table.values.copy()
    values[-100, 3] = np.nextafter(values[-100, 3], np.inf)
    skewed = FeatureTable(table.ts, values, table.schema)
    assert replay(served(edge), candles, skewed, 500, "stored").differing == 1
    kept = np.arange(len(candles)) != len(candles) - 50
    recorded = replace(
        candles,
        **{
            name: getattr(candles, name)[kept]
            for name in ("ts", "open", "high", "low", "close", "volume", "trades")
        },
    )
    found = replay(served(edge), recorded, table, 500, "a session")
    assert found.rows == 500
    assert found.differing >= 50, "the bar itself, and all that remember it"
    gate = certify(edge.files, CONFIG.gates, Outside(replay=found)).gate("replay_parity")
    assert not gate.passed
    assert gate.about.startswith("a session: ")


def test_altered_files_and_files_without_evidence_get_no_certificate(edge):
    altered = {**edge.files, artifact.REPORT: edge.files[artifact.REPORT].replace(b'"trades"', b'"Trades"')}
    with pytest.raises(ArtifactError, match=r"report\.json: sha256 differs"):
        certify(altered, CONFIG.gates, Outside())
    with pytest.raises(ArtifactError, match="expected 0000"):
        certify(edge.files, CONFIG.gates, Outside(), artifact_id="0" * 64)
    without = artifact.seal({name: data for name, data in edge.files.items() if name != artifact.EVIDENCE})
    with pytest.raises(ArtifactError, match=r"evidence\.json: missing; train the model again"):
        certify(without, CONFIG.gates, Outside())
