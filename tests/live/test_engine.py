"""The engine end to end: same orders in backtest and paper, halts, promotions, and nothing lost on the way."""

import asyncio
import uuid
from collections import Counter

import msgspec
import pytest

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_core.candles import Series
from gal_friday_core.errors import ConfigError, RegistryError
from gal_friday_live.backtesting import BacktestingEngine
from gal_friday_live.clock import SystemClock
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.paper import replay_ports
from gal_friday_live.paper_exchange import PaperExchange
from gal_friday_live.prediction_service import ModelOverride
from gal_friday_live.wiring import build
from tests.live.trading import checked, collect, entries, trading
from tests.live.world import CALM, SERIES, manager, market, played, predictor


def intents(found):
    """Every order intent, byte for byte."""
    encoder = msgspec.json.Encoder(order="deterministic")
    return [encoder.encode([entry.key, entry.ts_ns, entry.record]) for entry in found]


async def paper_orders(config, stretch, models, database_url):
    """Order intents and fills of a paper replay at full speed, as PostgreSQL remembers them."""
    async with Database(database_url) as database:
        journal = PostgresJournal(database, str(uuid.uuid4()), SystemClock())
        await journal.begin("paper-replay", config_hash="0", code_version="test")
        async with trading(config, models, stretch, journal) as engine:
            await engine.run()
        return await entries(journal, "ORDER_INTENT"), await entries(journal, "FILL"), engine.summary()


async def same_orders(config, stretch, model, database_url):
    backtest = BacktestingEngine(config, predictor=model, exact=True)
    report = await backtest.run(stretch, config.config.paper.initial_cash)
    tested = await entries(backtest.journal, "ORDER_INTENT")
    traded, fills, summary = await paper_orders(config, stretch, FixedModels(model), database_url)
    assert intents(tested) == intents(traded)
    assert intents(await entries(backtest.journal, "FILL")) == intents(fills)
    assert report["engine"]["final_equity"] == summary["final_equity"]
    return traded


async def test_backtest_and_paper_replay_make_identical_orders(database_url):
    orders = await same_orders(manager(risk=CALM), played(market(4_000)), predictor(), database_url)
    assert len(orders) > 20
    assert {order.record["side"] for order in orders} == {"BUY", "SELL"}


@pytest.mark.data
async def test_backtest_and_paper_replay_make_identical_orders_on_real_candles(database_url, shared_data):
    candles = real_candles(shared_data / "ohlcv" / "bitfinex_BTCUSD_1m_2017.parquet")
    model = predictor(series=candles.series)
    orders = await same_orders(manager(risk=CALM), played(candles), model, database_url)
    assert len(orders) > 10


def real_candles(path, rows=6_000):
    import polars as pl

    from gal_friday_core.candles import Candles

    frame = pl.read_parquet(path, n_rows=rows)
    columns = [frame[name].to_numpy() for name in ("ts", "open", "high", "low", "close", "volume")]
    trades = frame["trades"].to_numpy() if "trades" in frame.columns else columns[0] * 0 - 1
    return Candles(Series("bitfinex", "BTC/USD", "1m"), *columns, trades)


async def test_every_bar_gives_one_prediction_once_the_stream_is_warm():
    async with trading() as engine:
        await engine.run()
        assert engine.prediction.predictions == len(played().bars)
        assert engine.summary()["skipped"] == {}


async def test_a_cold_stream_predicts_nothing_until_every_feature_is_known():
    async with trading(stretch=played(market(600), history=0)) as engine:
        await engine.run()
        summary = engine.summary()
    assert summary["skipped"]["FEATURES_UNKNOWN"] + summary["predictions"] == 600
    assert summary["skipped"]["FEATURES_UNKNOWN"] >= 240


async def test_a_warmed_stream_predicts_what_the_batch_table_gives():
    from gal_friday_core.features.drivers import compute

    stretch, model = played(), predictor()
    async with trading(stretch=stretch) as engine:
        events = collect(engine, "PREDICTION_GENERATED")
        await engine.run()
    table = compute(market())[2_000:]
    assert [event.payload.prediction_value for event in events] == model.predict(table.values).tolist()


async def test_equity_is_cash_and_positions_as_the_exchange_counts_them():
    async with trading() as engine:
        await engine.run()
        assert engine.portfolio.fills > 50
        await engine.portfolio.reconcile_with_exchange()


async def test_each_order_has_a_durable_intent_before_the_exchange_sees_it():
    journal = MemoryJournal()
    seen = []

    class Checking(PaperExchange):
        async def submit(self, order):
            seen.append(order.client_order_id)
            assert order.client_order_id in {
                entry.key for entry in journal.entries if entry.kind == "ORDER_INTENT"
            }
            await super().submit(order)

    async with checked(Checking, journal) as engine:
        await engine.run()
        assert not engine.halt.halted
    assert len(seen) > 20


async def test_a_promotion_swaps_the_model_between_two_events_and_loses_none():
    models, second = FixedModels(predictor()), predictor(version=2, seed=11)
    async with trading(models=models) as engine:
        predictions, lifecycle = collect(engine, "PREDICTION_GENERATED"), collect(engine, "MODEL_LIFECYCLE")

        async def promote_halfway(event):
            if len(predictions) == 1_000:
                models.promote(second)

        engine.bus.subscribe("FEATURES_CALCULATED", promote_halfway)
        await engine.run()
    ids = [event.payload.model_id for event in predictions]
    assert len(ids) == len(played().bars)
    assert Counter(ids).keys() == {predictor().model_id, second.model_id}
    changed = ids.index(second.model_id)
    assert ids == [predictor().model_id] * changed + [second.model_id] * (len(ids) - changed)
    assert 1_000 <= changed < 1_100
    assert [(event.payload.action, event.payload.model_id) for event in lifecycle] == [
        ("DEPLOYED", second.model_id)
    ]
    assert engine.summary()["model_ids"] == [predictor().model_id, second.model_id]
    assert engine.snapshot()["model"] == second.model_id


async def test_a_model_that_retired_is_not_shown_as_the_one_that_trades():
    models = FixedModels(predictor())
    async with trading(models=models) as engine:
        lifecycle = collect(engine, "MODEL_LIFECYCLE")
        before = engine.snapshot()["model"]
        models.demote(predictor().model_id)
        await engine.run()
    assert [event.payload.action for event in lifecycle] == ["RETIRED"]
    assert (before, engine.snapshot()["model"]) == (predictor().model_id, "none")
    assert engine.summary()["model_ids"] == [predictor().model_id]  # what served in this session


async def test_a_promoted_model_that_does_not_verify_leaves_the_present_one_trading():
    from gal_friday_core.errors import ArtifactError

    class Damaged(FixedModels):
        async def production(self, model_type):
            found = await super().production(model_type)
            if found is not None and found.version == 2:
                raise ArtifactError("model.ubj was altered")
            return found

    models = Damaged(predictor())
    async with trading(models=models) as engine:
        errors = collect(engine, "SYSTEM_ERROR")
        models.promote(predictor(version=2, seed=11))
        await engine.run()
    assert [event.payload.error_type for event in errors] == ["ArtifactError"]
    assert engine.summary()["model_ids"] == [predictor().model_id]
    assert engine.prediction.predictions == len(played().bars)


async def test_without_a_production_model_nothing_is_predicted_or_traded():
    async with trading(models=FixedModels()) as engine:
        await engine.run()
        summary = engine.summary()
    assert summary["skipped"] == {"NO_MODEL": len(played().bars)}
    assert summary["orders"] == 0


async def test_an_override_trades_a_refused_model_and_says_so():
    journal = MemoryJournal()
    refused = predictor(version=4, threshold=0.99)
    models = FixedModels()
    models._known[refused.model_id] = refused
    override = ModelOverride(refused.model_id, "refused by the gates; paper money only", 0.45)
    async with trading(models=models, journal=journal, override=override) as engine:
        await engine.run()
    assert engine.execution.orders > 0
    assert engine.summary()["override"] == override.reason
    (record,) = await entries(journal, "MODEL_OVERRIDE")
    assert record.record["reason"] == override.reason
    assert record.record["entry_threshold"] == 0.45


def test_an_override_is_refused_on_anything_but_the_simulated_exchange():
    class Real:
        name = "real"

    ports = replay_ports(played(), FixedModels(), MemoryJournal(), override=ModelOverride("x@v1", "why", 0.5))
    ports = type(ports)(**{**{n: getattr(ports, n) for n in ports.__dataclass_fields__}, "exchange": Real()})
    with pytest.raises(ConfigError, match="paper money only"):
        build(manager(), ports)


async def test_an_override_of_an_unknown_model_does_not_start():
    with pytest.raises(RegistryError, match="unknown model"):
        async with trading(override=ModelOverride("absent@v1", "why", 0.5)):
            raise AssertionError("it started")


async def test_an_override_for_another_series_does_not_start():
    other = predictor(series=Series("kraken", "ETH/USD", "1m"))
    with pytest.raises(ConfigError, match="was trained for kraken:ETH-USD:1m"):
        async with trading(models=FixedModels(other), override=ModelOverride(other.model_id, "why", 0.5)):
            raise AssertionError("it started")


async def test_stopping_in_the_middle_ends_the_run_and_leaves_no_task_behind():
    stretch = played()
    async with trading(stretch=stretch) as engine:

        async def stop_early(event):
            if engine.ingestor.published == 500:
                await engine.ingestor.stop()

        engine.bus.subscribe("MARKET_DATA_OHLCV", stop_early)
        await engine.run()
        assert engine.ingestor.published == 500
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_snapshot_shows_the_running_engine():
    async with trading() as engine:
        await engine.run()
        shown = engine.snapshot()
    assert shown["state"] == "RUNNING"
    assert shown["model"] == predictor().model_id
    assert shown["predictions"] == len(played().bars)
    assert shown["signals"]["proposed"] == engine.strategy.proposed


def test_pairs_of_two_quote_currencies_are_refused():
    ports = replay_ports(
        played(), FixedModels(), MemoryJournal(), series=(SERIES, Series("kraken", "ETH/EUR", "1m"))
    )
    with pytest.raises(ConfigError, match="EUR, USD"):
        build(manager(), ports)
