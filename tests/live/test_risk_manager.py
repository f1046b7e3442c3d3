"""What the risk manager asks whom, what it remembers, and that a reload only tightens."""

from decimal import Decimal
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

from gal_friday_core.blotter import Blotter
from gal_friday_core.errors import ConfigError
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.schema import FeatureVector
from gal_friday_core.instruments import Instrument
from gal_friday_core.order_reports import own_report
from gal_friday_core.orders import Order
from gal_friday_core.payloads import PredictionGenerated
from gal_friday_core.portfolio import Portfolio, Position
from gal_friday_core.reservations import Reservations
from gal_friday_core.times import SECOND_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.ids import SequentialIds
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.risk_manager import RiskManager
from gal_friday_live.signal_record import SignalNotes
from gal_friday_live.trading_gate import TradingGate
from tests.core.risk.desks import Levels
from tests.core.trading import PAIR, fill, signal
from tests.live.world import manager

NOW = 10 * SECOND_NS
LATER = 10**18


class Books:
    """A portfolio that nobody else keeps."""

    def __init__(self):
        self.book = Portfolio("USD", Decimal(10_000), 0)

    def state(self):
        return self.book.state(NOW)

    def position(self, pair):
        return self.book.positions.get(pair, Position())

    @property
    def total_drawdown(self):
        return self.book.total_drawdown


class Desk:
    """A started risk manager, and everything it said."""

    def __init__(self, config=None, journal=None, **ports):
        self.clock = SimulatedClock(NOW)
        self.bus = PubSubManager(self.clock, SequentialIds())
        self.books, self.gate = Books(), TradingGate()
        self.journal = journal or MemoryJournal()
        self.reservations = Reservations()
        self.said = []
        self.notes = SignalNotes(self.bus, self.journal)
        self.risk = RiskManager(
            config or manager(), self.bus, self.books,
            instruments=[Instrument(PAIR, price_tick=Decimal("0.01"), lot=Decimal("0.001"))],
            clock=self.clock, is_halted=lambda: False, journal=self.journal, gate=self.gate,
            reservations=self.reservations, notes=self.notes, **ports,
        )  # fmt: skip

    async def started(self):
        for kind in ("TRADE_SIGNAL_APPROVED", "TRADE_SIGNAL_REJECTED"):
            self.bus.subscribe(kind, lambda event: self.said.append(event.payload))
        await self.risk.start()
        await self.notes.start()
        return self

    async def judge(self, *args, **changes):
        """The quantity, or the code."""
        await self.bus.publish("TRADE_SIGNAL_PROPOSED", signal(*args, expires_at=LATER, **changes))
        said = self.said[-1]
        return getattr(said, "quantity", None) or said.reason

    async def report(self, report):
        self.books.book.apply(report)
        await self.bus.publish("EXECUTION_REPORT", report)


def predicted(proposed, model_id="m@v1"):
    values = np.linspace(0, 1, len(CANDLES_V1))
    cause = PredictionGenerated(
        trading_pair=PAIR, exchange="test", timestamp_prediction_for=7, model_id=model_id,
        prediction_target="t", prediction_value=0.7, associated_features=FeatureVector(CANDLES_V1, values),
    )  # fmt: skip
    return type(proposed)(**{
        **{name: getattr(proposed, name) for name in proposed.__struct_fields__},
        "triggering_prediction": cause,
    })  # fmt: skip


def models(held=MappingProxyType({}), **stages):
    """Each model's stage; an override where it says so. `held`: by model, what drift restricts it to."""

    def model(model_id):
        stage = stages[model_id.partition("@")[0]]
        trial = stage == "trial"
        stage = "staging" if trial else stage
        override = object() if stage == "development" else None
        return SimpleNamespace(stage=stage, shadow=stage == "staging", override=override, trial=trial)

    return SimpleNamespace(model=model, restriction=held.get)


async def test_a_pair_that_nobody_trades_is_refused_not_an_error():
    desk = await Desk().started()
    assert await desk.judge(pair="DOGE/USD") == "UNKNOWN_PAIR"
    assert desk.said[-1].details == {"limit": PAIR, "value": "DOGE/USD"}


async def test_the_gate_and_the_state_keep_back_buys_only():
    desk = await Desk(trading_state=lambda: state).started()
    state = "ACTIVE"
    desk.gate.block("ORDER_UNKNOWN", "order 1 has no answer", pair=PAIR)
    assert await desk.judge("a") == "ORDER_UNKNOWN"
    assert desk.said[-1].details == {"value": "order 1 has no answer"}
    desk.gate.clear("ORDER_UNKNOWN", pair=PAIR)
    state = "REDUCING"
    assert await desk.judge("b") == "REDUCING"
    await desk.report(fill("x", "BUY", "2", "100"))
    assert await desk.judge("c", "SELL", stop=None, target=None) == 2


@pytest.mark.parametrize(
    ("model_id", "why"),
    [
        ("live@v1", None),
        ("own@v1", None),
        ("tried@v1", None),
        ("shadow@v1", "shadow@v1 is in stage staging"),
        ("gone@v1", "gone@v1 does not serve this engine"),
        (None, "no prediction stands behind the signal"),
    ],
)
async def test_only_a_model_in_production_on_trial_or_named_by_an_override_trades(model_id, why):
    desk = await Desk(
        models=models(live="production", own="development", shadow="staging", tried="trial")
    ).started()
    proposed = signal("a", expires_at=LATER)
    wish = predicted(proposed, model_id) if model_id else proposed
    await desk.bus.publish("TRADE_SIGNAL_PROPOSED", wish)
    said = desk.said[-1]
    assert (getattr(said, "details", None) == {"value": why}) == (why is not None)
    assert getattr(said, "reason", "APPROVED") == ("MODEL_NOT_PROMOTED" if why else "APPROVED")


async def test_the_live_book_is_asked():
    desk = await Desk(book=lambda _: Levels([(95, 9)], [(105, 9)])).started()
    assert await desk.judge() == "SPREAD_TOO_WIDE"


@pytest.mark.parametrize(("bids", "asks"), [([], [(105, 9)]), ([(95, 9)], []), ([(105, 9)], [(105, 9)])])
async def test_nobody_buys_on_a_book_that_says_nothing(bids, asks):
    desk = await Desk(book=lambda _: Levels(bids, asks)).started()
    assert await desk.judge() == "MARKET_DATA_UNVERIFIED"


async def test_a_signal_is_approved_once_for_ever():
    desk = await Desk().started()
    assert isinstance(await desk.judge("a"), Decimal)
    assert await desk.judge("a") == "DUPLICATE_SIGNAL"
    desk.reservations.release("a")
    assert await desk.judge("a") == "DUPLICATE_SIGNAL"
    assert (desk.risk.approved, desk.risk.rejected) == (1, {"DUPLICATE_SIGNAL": 2})


async def test_two_buys_of_one_moment_share_what_there_is():
    desk = await Desk(manager(risk={"risk_per_trade": "0.5"})).started()
    assert await desk.judge("a", stop="90") * 100 <= 2_500
    assert await desk.judge("b", stop="90") == "EXCEEDS_MAX_EXPOSURE"
    assert Decimal(desk.said[-1].details["over"]) > 0


async def lose(desk, number):
    await desk.report(fill(f"b{number}", "BUY", "1", "100", "0.1", ts=NOW))
    last = fill(f"s{number}", "SELL", "1", "99", "0.1", ts=NOW)
    await desk.report(last)
    return last


async def test_losing_trades_count_once_each_however_often_they_are_told():
    desk = await Desk(manager(risk={"max_losses_in_a_row": 2})).started()
    last = await lose(desk, 1)
    await desk.report(last)
    assert isinstance(await desk.judge("a"), Decimal)
    await lose(desk, 2)
    assert await desk.judge("b") == "LOSS_STREAK_PAUSE"
    assert desk.risk.conduct.fees_today(NOW) == Decimal("0.4")


async def test_a_restart_remembers_lost_trades_and_fees():
    journal = MemoryJournal()
    for number in range(2):
        record = {"pair": PAIR, "fee": "0.1", "realized": "-1", "position_quantity": "0"}
        await journal.append("FILL", str(number), NOW, record)
    desk = await Desk(manager(risk={"max_losses_in_a_row": 2}), journal).started()
    assert await desk.judge() == "LOSS_STREAK_PAUSE"
    assert desk.risk.conduct.fees_today(NOW) == Decimal("0.2")


async def test_open_orders_of_an_earlier_run_take_their_room():
    desk, blotter = Desk(), Blotter()
    entry = Order(
        client_order_id="o", signal_id="old", trading_pair=PAIR, side="BUY", order_type="LIMIT",
        quantity=Decimal(25), created_at=1, limit_price=Decimal(100), stop_price=Decimal(95),
    )  # fmt: skip
    blotter.add(entry)
    desk.risk.adopt(blotter.open())
    await desk.started()
    assert desk.reservations.buying(PAIR) == 2_500
    assert await desk.judge() == "EXCEEDS_MAX_EXPOSURE"


async def test_a_signal_that_an_earlier_run_sent_an_order_for_is_refused_and_reserves_nothing():
    """The market tells its last bar again after a restart, and the strategy proposes the same again."""
    desk, blotter = Desk(), Blotter()
    entry = Order(
        client_order_id="o", signal_id="old", trading_pair=PAIR, side="BUY", order_type="MARKET",
        quantity=Decimal(1), created_at=NOW, stop_price=Decimal(95),
    )  # fmt: skip
    blotter.add(entry)
    blotter.apply(own_report(entry, "kraken", "CANCELED", NOW, "ended"))
    desk.risk.adopt(blotter.records())
    await desk.started()
    assert await desk.judge("old") == "DUPLICATE_SIGNAL"
    assert desk.reservations.cash() == 0
    assert isinstance(await desk.judge("new"), Decimal)


async def test_orders_of_others_take_cash_until_they_end():
    desk = await Desk().started()
    theirs = fill("external:OX", "BUY", "90", "100")
    changes = {
        "signal_id": "",
        "execution_id": None,
        "quantity_filled": Decimal(0),
        "limit_price": Decimal(100),
    }
    opened = changed(theirs, order_status="NEW", **changes)
    await desk.bus.publish("EXECUTION_REPORT", opened)
    assert desk.reservations.cash() == Decimal("9023.4")
    await desk.bus.publish("EXECUTION_REPORT", changed(opened, order_status="CANCELED"))
    await desk.bus.publish("EXECUTION_REPORT", opened)  # late
    assert desk.reservations.cash() == 0


def changed(report, **changes):
    return type(report)(**{**{name: getattr(report, name) for name in report.__struct_fields__}, **changes})


async def test_the_journal_keeps_what_the_signal_rested_on():
    desk = await Desk().started()
    await desk.bus.publish("TRADE_SIGNAL_PROPOSED", predicted(signal("a", expires_at=LATER)))
    again = predicted(signal("a", expires_at=LATER))  # refused, and noted once
    await desk.bus.publish("TRADE_SIGNAL_PROPOSED", again)
    (entry,) = [entry async for entry in desk.journal.read(kind="SIGNAL")]
    prediction = entry.record["prediction"]
    assert (entry.key, entry.record["verdict"], entry.record["model_id"]) == ("a", "APPROVED", "m@v1")
    assert prediction["key"] == f"test:{PAIR}@7#m@v1"
    assert list(prediction["features"]) == list(CANDLES_V1.names)
    assert prediction["schema_hash"] == CANDLES_V1.hash


def reloadable(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path, ConfigurationManager(str(path), environ={})


async def test_a_reload_tightens_at_once(tmp_path):
    path, config = reloadable(tmp_path, "risk:\n  max_spread: 0.2\n")
    desk = await Desk(config, book=lambda _: Levels([(98, 99)], [(100, 99)])).started()
    assert isinstance(await desk.judge("a"), Decimal)
    path.write_text("risk:\n  max_spread: 0.01\nmarket:\n  pairs: [ETH/USD]\n")
    assert [(change.key, change.looser) for change in config.reload()] == [("risk.max_spread", False)]
    assert await desk.judge("b") == "SPREAD_TOO_WIDE"
    assert config.get_trading_pairs() == ["BTC/USD"]


@pytest.mark.parametrize(
    "text",
    ["risk:\n  max_spread: 0.3\n", "", "strategy:\n  max_signal_age_s: 60\nrisk:\n  max_spread: 0.2\n"],
)
async def test_a_reload_never_loosens(tmp_path, text):
    path, config = reloadable(tmp_path, "risk:\n  max_spread: 0.2\n  max_daily_drawdown: 0.01\n")
    desk = await Desk(config).started()
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"not loosened while the engine runs: .*max_\w+ \(\S+ to \S+\)"):
        config.reload()
    assert (config.config.risk.max_spread, desk.risk.limits.max_spread) == (0.2, 0.2)


async def test_a_reload_of_a_broken_file_changes_nothing(tmp_path):
    path, config = reloadable(tmp_path, "risk:\n  max_spread: 0.2\n")
    desk = await Desk(config).started()
    path.write_text("risk:\n  max_spraed: 0.1\n")
    with pytest.raises(ConfigError, match=r"did you mean risk\.max_spread"):
        config.reload()
    assert desk.risk.limits.max_spread == 0.2


async def test_a_new_model_begins_small_and_an_earlier_run_counts():
    ramp = manager(risk={"ramp_orders": 2, "ramp_fraction": "0.1"})

    async def buys(journal, model_id, *keys):
        desk = await Desk(ramp, journal=journal).started()
        for number, key in enumerate(keys):
            wish = signal(key, expires_at=LATER, price=str(100 + number))
            await desk.bus.publish("TRADE_SIGNAL_PROPOSED", predicted(wish, model_id))
        return [one.risk_parameters.get("ramp_fraction") for one in desk.said]

    journal = MemoryJournal()
    assert await buys(journal, "m@v1", "a", "b", "c") == ["0.1", "0.1", None]
    intent = {"purpose": "ENTRY", "model_id": "m@v1"}
    await journal.append("ORDER_INTENT", "o1", 1, intent)
    await journal.append("ORDER_INTENT", "o2", 2, {**intent, "purpose": "STOP"})
    assert await buys(journal, "m@v1", "d", "e") == ["0.1", None]
    assert await buys(journal, "m@v2", "f") == ["0.1"]
