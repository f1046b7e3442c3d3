"""All wiring on one page: `build(config, ports)` makes an engine; a mode is nothing but a choice of ports."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from gal_friday_core import __version__
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_core.exchange_of_run import Recorded, exchange_of_run
from gal_friday_core.experiments.traffic import Traffic
from gal_friday_core.instruments import Instrument
from gal_friday_core.ports import Book, Clock, Exchange, Feed, Ids, Models
from gal_friday_core.reservations import Reservations
from gal_friday_core.risk.order_checks import OrderChecks
from gal_friday_core.strategies.registry import STRATEGIES, Factory, factory
from gal_friday_core.times import SECOND_NS
from gal_friday_live.account_line import AccountLine
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager, fingerprint
from gal_friday_live.data_ingestor import DataIngestor
from gal_friday_live.engine import Engine
from gal_friday_live.entry_rules import EntryRules
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.feature_engine import FeatureEngine, Rows
from gal_friday_live.halt import HaltCoordinator
from gal_friday_live.historical_data_service import HistoricalDataService
from gal_friday_live.ids import random_ids
from gal_friday_live.inference import Inference
from gal_friday_live.inference_pool import InferencePool
from gal_friday_live.journal_replay import records_of
from gal_friday_live.journal_writer import JournalWriter, SessionJournal
from gal_friday_live.market_price_service import MarketPriceService
from gal_friday_live.monitoring_service import MonitoringService
from gal_friday_live.order_quotes import OrderQuotes
from gal_friday_live.order_rate import OrderRate
from gal_friday_live.paper_exchange import PaperExchange
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.prediction_service import ModelOverride, PredictionService
from gal_friday_live.protection_keeper import ProtectionKeeper
from gal_friday_live.provenance import SignalProvenance
from gal_friday_live.reconciliation_service import ReconciliationService
from gal_friday_live.risk_manager import RiskManager
from gal_friday_live.safeguards import Recovery
from gal_friday_live.signal_record import SignalNotes
from gal_friday_live.strategy_arbitrator import StrategyArbitrator
from gal_friday_live.surroundings import Surroundings
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trades_under_way import trades_under_way
from gal_friday_live.trading_gate import TradingGate


@dataclass(frozen=True, kw_only=True)
class Ports:
    """What one engine needs from the world. Without an exchange it trades on a simulated one.

    `history` holds the bars before the feed's first, `historical` fetches what the feed misses; `instruments` one for each series' pair.
    `simulated` says that the exchange moves no real money: only there may a model trade that the gates refused.
    With `surroundings` the engine watches them, reconciles its account, and resumes only by a checklist. `timer`
    counts seconds for every pause and duration; it never jumps. Models that are slow predict in the `pool`. `rows` of features are
    taken as they are given, where another engine's are to be traded again; orders on a simulated exchange meet what was
    `recorded` of their pair, else bars. `strategies` are those that `strategy.id` may name.
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
    rows: Rows | None = None
    recorded: Mapping[str, Recorded] = field(default_factory=dict)
    historical: HistoricalDataService | None = None
    override: ModelOverride | None = None
    simulated: bool = False
    code_version: str = __version__
    surroundings: Surroundings | None = None
    experiments: Traffic | None = None
    on_bar: Callable[[int, Decimal], None] | None = None
    health_every_s: float | None = None
    timer: Callable[[], float] = time.monotonic
    pool: Callable[[], InferencePool] = InferencePool
    strategies: Mapping[str, Factory] = field(default_factory=lambda: STRATEGIES)


def build(config: ConfigurationManager, ports: Ports) -> Engine:
    """An engine, not yet started.

    Raises ConfigError where the ports contradict each other, among others where a model that the gates
    refused would trade on anything but the simulated exchange.
    """
    quote = _quote(ports.series)
    pairs = [item.pair for item in ports.series]
    clock, ids, around = ports.clock, ports.ids, ports.surroundings
    exchange = ports.exchange or paper_exchange(config, ports.instruments, quote, clock, ports.recorded)
    if ports.override is not None and not (ports.simulated or isinstance(exchange, PaperExchange)):
        raise ConfigError(
            f"model {ports.override.model_id} was refused by the gates: it may trade paper money only"
        )

    rules = entry_rules(config, ports)
    strategy_id = config.config.strategy.id
    if rules is not None and not (ports.simulated or isinstance(exchange, PaperExchange)):
        raise ConfigError(
            f"strategy {strategy_id} asks no model, and no certificate stands behind it: it may trade paper money only"
        )

    def book(pair: str) -> Book | None:
        return ingestor.book(pair, clock.now_ns())

    def market_fault(pair: str) -> str:
        return ingestor.fault(pair, clock.now_ns())

    tasks, gate, account_line = TaskSupervisor(), TradingGate(), AccountLine()
    bus = PubSubManager(clock, ids, records=records_of(ports.journal), spawn=tasks.start)
    writer = JournalWriter(ports.journal, tasks)
    halt = HaltCoordinator(clock, ids, writer, page=None if around is None else around.halt_page)
    reservations = Reservations()
    prices = MarketPriceService(config, clock=clock) if around is not None else None
    offset = around.offset(clock) if around is not None else None
    if offset is not None:
        offset.hold(gate)
    monitoring = MonitoringService(
        config, bus, halt=halt, clock=clock, journal=ports.journal, tasks=tasks,
        health_every_s=ports.health_every_s, gate=gate, writer=writer,
        probes=() if around is None else around.probes(
            market_fault=lambda: "" if ingestor.connected else "not connected",
            account_fault=account_line.fault, offset=offset,
        ),
    )  # fmt: skip
    bus.on_failure(monitoring.on_handler_failure)
    tasks.on_failure(monitoring.on_task_failure)
    portfolio = PortfolioManager(
        config, bus, quote=quote, clock=clock, exchange=exchange, writer=writer, reservations=reservations,
        on_bar=ports.on_bar, pairs=pairs, journal=ports.journal, prices=prices,
    )  # fmt: skip
    prediction = PredictionService(
        config, bus, None, models=ports.models, series=ports.series, clock=clock, journal=ports.journal,
        writer=writer, tasks=tasks, override=ports.override,
        inference=Inference(tasks, ports.pool(), timer=lambda: int(ports.timer() * SECOND_NS)),
        experiments=ports.experiments,
    )  # fmt: skip
    notes = SignalNotes(bus, ports.journal)
    rate = OrderRate(bus, clock=clock, limits=lambda: risk.limits, is_halted=halt.is_halted)
    risk = RiskManager(
        config, bus, portfolio, instruments=ports.instruments, clock=clock, is_halted=halt.is_halted,
        journal=ports.journal, reservations=reservations, market_fault=market_fault, book=book, gate=gate,
        models=prediction, trading_state=lambda: monitoring.trading_state, notes=notes,
        rate=rate, without_model=None if rules is None else strategy_id,
    )  # fmt: skip
    provenance = SignalProvenance(
        bus,
        models=prediction,
        code_version=ports.code_version,
        config_hash=fingerprint(config.config),
        keep=None if around is None else partial(_keep_notes, ports.journal, tasks),
    )
    config.on_reload(lambda new: provenance.configured(fingerprint(new)))
    checks = OrderChecks(
        instruments=ports.instruments, reservations=reservations, clock=clock, costs=config.config.costs,
        limits=lambda: risk.limits, position=portfolio.positions.position, cash=lambda: portfolio.funds.cash,
        order_types=lambda: exchange.capabilities.order_types, trading=lambda: monitoring.trading_state,
    )  # fmt: skip
    execution = ExecutionHandler(
        config, bus, exchange=exchange, journal=ports.journal, clock=clock, ids=ids, tasks=tasks,
        is_halted=halt.is_halted, keeps_entries=lambda: halt.action == "MAINTAIN_POSITIONS", gate=gate,
        provenance=provenance,
        order_deadline_s=config.config.exchange.order_deadline_s,
        checks=lambda order: rate.why(order) or checks.why(order),
        leaving=(lambda _: None) if prices is None else OrderQuotes(prices, ports.journal, clock).note,
    )  # fmt: skip
    protection = ProtectionKeeper(
        bus, execution=execution, exchange=exchange, journal=ports.journal, positions=portfolio,
        instruments=ports.instruments, book=book, gate=gate, clock=clock, ids=ids, tasks=tasks,
        timer=ports.timer,
    )  # fmt: skip
    account_line.add(monitoring.on_line)
    account_line.add(lambda up, _: protection.check() if up else None)
    reconciliation = None if around is None else ReconciliationService(
        config, portfolio, event_bus=bus, exchange=exchange, orders=execution, gate=gate, journal=ports.journal,
        writer=writer, clock=clock, tasks=tasks,
    )  # fmt: skip
    strategy = StrategyArbitrator(
        config, bus, series=ports.series, instruments=ports.instruments, positions=portfolio.positions,
        models=prediction, clock=clock, ids=ids, rules=rules, strategies=ports.strategies,
    )  # fmt: skip
    features = FeatureEngine(
        config, bus, series=ports.series, history=ports.history, historical=ports.historical, tasks=tasks,
        journal=ports.journal, rows=ports.rows, rules=rules,
    )  # fmt: skip
    known = {item: int(past.ts[-1]) for item, past in ports.history.items() if len(past)}
    watching = (
        *((protection.watch,) if protection.active else ()),
        *((prices,) if prices is not None else ()),
    )
    ingestor = DataIngestor(
        config, bus, feed=ports.feed, exchange=exchange, tasks=tasks, after=known,
        sinks=(*features.sinks, *watching), settles=isinstance(exchange, PaperExchange),
    )  # fmt: skip
    ingestor.listed(risk.listed)
    ingestor.listed(checks.listed)
    if around is not None and reconciliation is not None:
        Recovery(
            pairs=pairs, reconcile=reconciliation.check, account_fault=account_line.fault,
            market_fault=market_fault, unknown=lambda: execution.unknown.open,
            unprotected=protection.unprotected, lease_held=around.lease_held, journal=ports.journal, clock=clock,
            ids=ids, folder=around.folder, settings=lambda: config.config.monitoring, offset=offset,
        ).fill(halt.checklist)  # fmt: skip
    return Engine(
        series=tuple(ports.series), bus=bus, tasks=tasks, clock=clock, journal=ports.journal, halt=halt, gate=gate,
        monitoring=monitoring, portfolio=portfolio, risk=risk, execution=execution, strategy=strategy,
        prediction=prediction, features=features, ingestor=ingestor, provenance=provenance, notes=notes, exchange=exchange,
        protection=protection, reconciliation=reconciliation, account_line=account_line,
        under_way=partial(
            trades_under_way, journal=ports.journal, models=ports.models, positions=portfolio,
            series=ports.series, history=ports.history,
        ),
    )  # fmt: skip


def _keep_notes(journal: SessionJournal, tasks: TaskSupervisor) -> None:
    """Write what is noted now, and not with the next batch. A database that is down has its own consequences."""

    async def write() -> None:
        with suppress(StorageError):
            await journal.flush()

    tasks.start(write(), "notes of an approved signal")


def entry_rules(config: ConfigurationManager, ports: Ports) -> EntryRules | None:
    """The rule of the configured strategy over the bars of every series; None where it asks a model."""
    settings = config.config
    rule = factory(settings.strategy.id, ports.strategies)(settings, settings.barriers).rule
    return None if rule is None else EntryRules(rule, ports.series, ports.history)


def paper_exchange(
    config: ConfigurationManager,
    instruments: Sequence[Instrument],
    quote: str,
    clock: Clock,
    recorded: Mapping[str, Recorded] | None = None,
) -> PaperExchange:
    """A simulated venue that starts with the configured paper cash; its orders meet what was `recorded`, else bars."""
    settings = config.config
    balances = {quote: settings.paper.initial_cash}
    return PaperExchange(exchange_of_run(settings, instruments, balances, recorded or {}), clock)


def _quote(series: Sequence[Series]) -> str:
    quotes = {item.quote for item in series}
    if len(quotes) != 1:
        listed = ", ".join(sorted(quotes)) or "none"
        raise ConfigError(f"an engine counts in one quote currency, but its pairs have: {listed}")
    pairs = [item.pair for item in series]
    if len(set(pairs)) != len(pairs):
        raise ConfigError(f"an engine trades each pair once, at one interval: {', '.join(pairs)}")
    return quotes.pop()
