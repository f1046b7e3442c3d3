"""All wiring on one page: `build(config, ports)` makes an engine; a mode is nothing but a choice of ports."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from gal_friday_core import __version__
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import ConfigError
from gal_friday_core.instruments import Instrument
from gal_friday_core.ports import Clock, Exchange, Feed, Ids, Models
from gal_friday_core.reservations import Reservations
from gal_friday_core.simulated_exchange import SimulatedExchange
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager, fingerprint
from gal_friday_live.data_ingestor import DataIngestor
from gal_friday_live.engine import Engine
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.feature_engine import FeatureEngine
from gal_friday_live.halt import HaltCoordinator
from gal_friday_live.historical_data_service import HistoricalDataService
from gal_friday_live.ids import random_ids
from gal_friday_live.journal_replay import records_of
from gal_friday_live.journal_writer import JournalWriter, SessionJournal
from gal_friday_live.monitoring_service import MonitoringService
from gal_friday_live.paper_exchange import PaperExchange
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.prediction_service import ModelOverride, PredictionService
from gal_friday_live.provenance import SignalProvenance
from gal_friday_live.risk_manager import RiskManager
from gal_friday_live.strategy_arbitrator import StrategyArbitrator
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import TradingGate


@dataclass(frozen=True, kw_only=True)
class Ports:
    """What one engine needs from the world. Without an exchange it trades on a simulated one.

    `history` holds the bars before the feed's first, `historical` fetches what the feed misses; `instruments` one for each series' pair.
    `simulated` says that the exchange moves no real money: only there may a model trade that the gates refused.
    """

    series: Sequence[Series]
    instruments: Sequence[Instrument]
    clock: Clock
    feed: Feed
    models: Models
    journal: SessionJournal
    ids: Ids = field(default_factory=random_ids)
    exchange: Exchange | None = None
    history: Mapping[Series, Candles] = field(default_factory=dict)
    historical: HistoricalDataService | None = None
    override: ModelOverride | None = None
    simulated: bool = False
    code_version: str = __version__
    on_bar: Callable[[int, Decimal], None] | None = None
    health_every_s: float | None = None


def build(config: ConfigurationManager, ports: Ports) -> Engine:
    """An engine, not yet started.

    Raises ConfigError where the ports contradict each other, among others where a model that the gates
    refused would trade on anything but the simulated exchange.
    """
    quote = _quote(ports.series)
    clock, ids = ports.clock, ports.ids
    exchange = ports.exchange or paper_exchange(config, ports.instruments, quote, clock)
    if ports.override is not None and not (ports.simulated or isinstance(exchange, PaperExchange)):
        raise ConfigError(
            f"model {ports.override.model_id} was refused by the gates: it may trade paper money only"
        )
    tasks, gate = TaskSupervisor(), TradingGate()
    bus = PubSubManager(clock, ids, records=records_of(ports.journal), spawn=tasks.start)
    writer = JournalWriter(ports.journal, tasks)
    halt = HaltCoordinator(clock, ids, writer)
    reservations = Reservations()
    monitoring = MonitoringService(
        config, bus, halt=halt, clock=clock, journal=ports.journal, tasks=tasks,
        health_every_s=ports.health_every_s, gate=gate, writer=writer,
    )  # fmt: skip
    bus.on_failure(monitoring.on_handler_failure)
    tasks.on_failure(monitoring.on_task_failure)
    portfolio = PortfolioManager(
        config, bus, quote=quote, clock=clock, exchange=exchange, writer=writer, reservations=reservations,
        on_bar=ports.on_bar, pairs=[item.pair for item in ports.series], journal=ports.journal,
    )  # fmt: skip
    risk = RiskManager(
        config, bus, portfolio, instruments=ports.instruments, clock=clock, is_halted=halt.is_halted,
        journal=ports.journal, reservations=reservations,
        market_fault=lambda pair: ingestor.fault(pair, clock.now_ns()),
        book=lambda pair: ingestor.book(pair, clock.now_ns()), gate=gate,
        trading_state=lambda: monitoring.trading_state,
    )  # fmt: skip
    prediction = PredictionService(
        config, bus, None, models=ports.models, series=ports.series, clock=clock, journal=ports.journal,
        writer=writer, tasks=tasks, override=ports.override,
    )  # fmt: skip
    provenance = SignalProvenance(
        bus, models=prediction, code_version=ports.code_version, config_hash=fingerprint(config.config)
    )
    execution = ExecutionHandler(
        config, bus, exchange=exchange, journal=ports.journal, clock=clock, ids=ids, tasks=tasks,
        is_halted=halt.is_halted, gate=gate, provenance=provenance,
    )  # fmt: skip
    strategy = StrategyArbitrator(
        config, bus, series=ports.series, instruments=ports.instruments, positions=portfolio, models=prediction,
        clock=clock, ids=ids,
    )  # fmt: skip
    features = FeatureEngine(
        config, bus, series=ports.series, history=ports.history, historical=ports.historical, tasks=tasks
    )
    known = {item: int(past.ts[-1]) for item, past in ports.history.items() if len(past)}
    ingestor = DataIngestor(
        config, bus, feed=ports.feed, exchange=exchange, tasks=tasks, after=known, sinks=features.sinks
    )
    return Engine(
        series=tuple(ports.series), bus=bus, tasks=tasks, clock=clock, journal=ports.journal, halt=halt, gate=gate,
        monitoring=monitoring, portfolio=portfolio, risk=risk, execution=execution, strategy=strategy,
        prediction=prediction, features=features, ingestor=ingestor, provenance=provenance,
    )  # fmt: skip


def paper_exchange(
    config: ConfigurationManager, instruments: Sequence[Instrument], quote: str, clock: Clock
) -> PaperExchange:
    """A simulated venue that starts with the configured paper cash."""
    settings = config.config
    balances = {quote: settings.paper.initial_cash}
    return PaperExchange(SimulatedExchange(instruments, balances, settings.costs), clock)


def _quote(series: Sequence[Series]) -> str:
    quotes = {item.quote for item in series}
    if len(quotes) != 1:
        listed = ", ".join(sorted(quotes)) or "none"
        raise ConfigError(f"an engine counts in one quote currency, but its pairs have: {listed}")
    pairs = [item.pair for item in series]
    if len(set(pairs)) != len(pairs):
        raise ConfigError(f"an engine trades each pair once, at one interval: {', '.join(pairs)}")
    return quotes.pop()
