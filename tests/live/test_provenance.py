"""Model, data, code and configuration behind each signal, as its order's intent will name them."""

from gal_friday_live import provenance
from gal_friday_live.intents import PROVENANCE
from tests.live.trading import collect, entries, trading
from tests.live.world import predictor


async def test_every_intent_names_what_stands_behind_it_an_exit_the_model_of_its_entry():
    async with trading(code_version="1.2.3+gabc") as engine:
        await engine.run()
        intents = [entry.record for entry in await entries(engine.journal, "ORDER_INTENT")]
    model = predictor()
    assert {intent["side"] for intent in intents} == {"BUY", "SELL"}
    for intent in intents:
        assert all(intent[name] for name in PROVENANCE)
        assert intent["model_id"] == model.model_id
        assert intent["artifact_sha256"] == model.artifact_sha256
        assert intent["feature_schema_hash"] == model.schema_hash
        assert intent["code_version"] == "1.2.3+gabc"


async def test_a_signal_of_another_run_is_known_by_this_run_alone():
    async with trading(code_version="1.2.3+gabc") as engine:
        facts = engine.provenance.of("a signal of yesterday")
    assert facts["code_version"] == "1.2.3+gabc"
    assert "model_id" not in facts


async def test_it_remembers_the_latest_signals_only(monkeypatch):
    monkeypatch.setattr(provenance, "REMEMBERED", 3)
    async with trading() as engine:
        proposed = collect(engine, "TRADE_SIGNAL_PROPOSED")
        await engine.run()
    ids = [event.payload.signal_id for event in proposed]
    assert len(ids) > 3
    known = ["model_id" in engine.provenance.of(signal_id) for signal_id in ids]
    assert known == [False] * (len(ids) - 3) + [True] * 3
