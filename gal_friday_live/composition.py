"""The parts that engines are composed of: what everything stands on, and one part for each thing that a role does.

`wiring.build` puts all of them around one bus; a role of a split engine takes those that are its own.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from gal_friday_core.config import RiskConfig
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_core.exchange_of_run import Recorded, exchange_of_run
from gal_friday_core.instruments import Instrument
from gal_friday_core.ports import Book, Clock, Exchange, Ids, MarketSink
from gal_friday_core.reservations import Reservations
from gal_friday_core.risk.order_checks import OrderChecks
from gal_friday_core.strategies.registry import factory
from gal_friday_core.times import SECOND_NS
from gal_friday_live.account_line import AccountLine
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager, fingerprint
from gal_friday_live.data_ingestor import DataIngestor, HearsCandles
from gal_friday_live.engine_ports import Ports
from gal_friday_live.entry_rules import EntryRules
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.feature_engine import FeatureEngine
from gal_friday_live.halt import HaltCoordinator
from gal_friday_live.inference import Inference
from gal_friday_live.intents import Provenance
from gal_friday_live.journal_replay import records_of
from gal_friday_live.journal_writer import JournalWriter, NoteWriter, SessionJournal
from gal_friday_live.market_price_service import MarketPriceService
from gal_friday_live.monitoring_service import MonitoringService
from gal_friday_live.order_quotes import OrderQuotes
from gal_friday_live.order_rate import OrderRate
from gal_friday_live.paper_exchange import PaperExchange
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.prediction_service import PredictionService
from gal_friday_live.probes import ClockOffset
from gal_friday_live.protection_keeper import ProtectionKeeper
from gal_friday_live.provenance import SignalProvenance
from gal_friday_live.reconciliation_service import ReconciliationService
from gal_friday_live.risk_manager import JudgedModels, RiskManager
from gal_friday_live.safeguards import Recovery
from gal_friday_live.signal_record import SignalNotes
from gal_friday_live.strategy_arbitrator import Positions, StrategyArbitrator
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import TradingGate


class MarketView:
    """The market as the other parts ask about it, who are made before it is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ingestor: DataIngestor | None = None

    def shown_by(self, ingestor: DataIngestor) -> None:
        self._ingestor = ingestor

    def book(self, pair: str) -> Book | None:
        """The pair's book where it is verified and fresh."""
        return self._shown.book(pair, self._clock.now_ns())

    def fault(self, pair: str) -> str:
        """Why no decision may rest on the pair's market; empty where one may."""
        return self._shown.fault(pair, self._clock.now_ns())

    def line_fault(self) -> str:
        return "" if self._shown.connected else "not connected"

    @property
    def _shown(self) -> DataIngestor:
        assert self._ingestor is not None, "the market comes before whoever asks about it"
        return self._ingestor


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """What every part stands on."""

    config: ConfigurationManager
    ports: Ports
    quote: str
    pairs: tuple[str, ...]
    clock: Clock
    ids: Ids
    tasks: TaskSupervisor
    gate: TradingGate
    account_line: AccountLine
    bus: PubSubManager
    writer: JournalWriter
    halt: HaltCoordinator
    reservations: Reservations
    prices: MarketPriceService | None
    offset: ClockOffset | None
    monitoring: MonitoringService
    market: MarketView


@dataclass(frozen=True, kw_only=True)
class Researching:
    """From bars to proposals."""

    prediction: PredictionService
    strategy: StrategyArbitrator
    features: FeatureEngine
    provenance: SignalProvenance


@dataclass(frozen=True, kw_only=True)
class Deciding:
    """From proposals to verdicts."""

    risk: RiskManager
    rate: OrderRate
    notes: SignalNotes


@dataclass(frozen=True, kw_only=True)
class Trading:
    """From approvals to orders, and whatever keeps what they bought safe."""

    checks: OrderChecks
    execution: ExecutionHandler
    protection: ProtectionKeeper
    reconciliation: ReconciliationService | None


def foundation(config: ConfigurationManager, ports: Ports) -> Foundation:
    """Bus, tasks, halt and whoever watches over them. Raises ConfigError for series that do not go together."""
    quote, clock, around = quote_of(ports), ports.clock, ports.surroundings
    tasks, gate, account_line, market = TaskSupervisor(), TradingGate(), AccountLine(), MarketView(clock)
    bus = PubSubManager(clock, ports.ids, records=records_of(ports.journal), spawn=tasks.start)
    writer = JournalWriter(ports.journal, tasks)
    halt = HaltCoordinator(clock, ports.ids, writer, page=None if around is None else around.halt_page)
    offset = around.offset(clock) if around is not None else None
    if offset is not None:
        offset.hold(gate)
    monitoring = MonitoringService(
        config, bus, halt=halt, clock=clock, journal=ports.journal, tasks=tasks,
        health_every_s=ports.health_every_s, gate=gate, writer=writer,
        probes=() if around is None else around.probes(
            market_fault=market.line_fault, account_fault=account_line.fault, offset=offset,
        ),
    )  # fmt: skip
    bus.on_failure(monitoring.on_handler_failure)
    tasks.on_failure(monitoring.on_task_failure)
    return Foundation(
        config=config, ports=ports, quote=quote, pairs=tuple(item.pair for item in ports.series), clock=clock,
        ids=ports.ids, tasks=tasks, gate=gate, account_line=account_line, bus=bus, writer=writer, halt=halt,
        reservations=Reservations(), prices=MarketPriceService(config, clock=clock) if around is not None else None,
        offset=offset, monitoring=monitoring, market=market,
    )  # fmt: skip


def account(base: Foundation, exchange: Exchange | None, journal: SessionJournal) -> PortfolioManager:
    """The books of the account, restored from the journal; without an exchange a mirror that is told of everything.

    A mirror's own notes may be lost: it is made anew from the account's, and no database that is away halts it.
    """
    return PortfolioManager(
        base.config, base.bus, quote=base.quote, clock=base.clock, exchange=exchange,
        writer=base.writer if exchange is not None else NoteWriter(journal, base.tasks),
        reservations=base.reservations, on_bar=base.ports.on_bar, pairs=base.pairs, journal=journal,
        prices=base.prices,
    )  # fmt: skip


def researching(base: Foundation, positions: Positions, rules: EntryRules | None) -> Researching:
    """Features, models and strategy of the series."""
    config, ports, tasks = base.config, base.ports, base.tasks
    prediction = PredictionService(
        config, base.bus, None, models=ports.models, series=ports.series, clock=base.clock, journal=ports.journal,
        writer=base.writer, tasks=tasks, override=ports.override,
        inference=Inference(tasks, ports.pool(), timer=lambda: int(ports.timer() * SECOND_NS)),
        experiments=ports.experiments,
    )  # fmt: skip
    provenance = SignalProvenance(
        base.bus, models=prediction, code_version=ports.code_version, config_hash=fingerprint(config.config),
        keep=None if ports.surroundings is None else partial(_keep_notes, ports.journal, tasks),
    )  # fmt: skip
    config.on_reload(lambda new: provenance.configured(fingerprint(new)))
    strategy = StrategyArbitrator(
        config, base.bus, series=ports.series, instruments=ports.instruments, positions=positions,
        models=prediction, clock=base.clock, ids=base.ids, rules=rules, strategies=ports.strategies,
    )  # fmt: skip
    features = FeatureEngine(
        config, base.bus, series=ports.series, history=ports.history, historical=ports.historical, tasks=tasks,
        journal=ports.journal, rows=ports.rows, rules=rules,
    )  # fmt: skip
    return Researching(prediction=prediction, strategy=strategy, features=features, provenance=provenance)


def deciding(
    base: Foundation,
    portfolio: PortfolioManager,
    models: JudgedModels,
    *,
    journal: SessionJournal,
    without_model: str | None,
) -> Deciding:
    """The risk check; `journal` has the account's past, `without_model` is the strategy whose buys need no prediction."""
    notes = SignalNotes(base.bus, base.ports.journal)
    rate = order_rate(base, lambda: risk.limits)
    risk = RiskManager(
        base.config, base.bus, portfolio, instruments=base.ports.instruments, clock=base.clock,
        is_halted=base.halt.is_halted, journal=journal, reservations=base.reservations,
        market_fault=base.market.fault, book=base.market.book, gate=base.gate, models=models,
        trading_state=lambda: base.monitoring.trading_state, notes=notes, rate=rate, without_model=without_model,
    )  # fmt: skip
    return Deciding(risk=risk, rate=rate, notes=notes)


def order_rate(base: Foundation, limits: Callable[[], RiskConfig]) -> OrderRate:
    """Counts what is asked for; `limits` gives those in force."""
    return OrderRate(base.bus, clock=base.clock, limits=limits, is_halted=base.halt.is_halted)


def trading(
    base: Foundation,
    exchange: Exchange,
    portfolio: PortfolioManager,
    *,
    provenance: Provenance,
    limits: Callable[[], RiskConfig],
    rate: OrderRate,
) -> Trading:
    """Orders, their protection, and the comparison with the exchange where there is one to compare with."""
    config, ports, clock, halt = base.config, base.ports, base.clock, base.halt
    settings, prices = config.config, base.prices
    checks = OrderChecks(
        instruments=ports.instruments, reservations=base.reservations, clock=clock, costs=settings.costs,
        limits=limits, position=portfolio.positions.position, cash=lambda: portfolio.funds.cash,
        order_types=lambda: exchange.capabilities.order_types, trading=lambda: base.monitoring.trading_state,
    )  # fmt: skip
    execution = ExecutionHandler(
        config, base.bus, exchange=exchange, journal=ports.journal, clock=clock, ids=base.ids, tasks=base.tasks,
        is_halted=halt.is_halted, keeps_entries=lambda: halt.action == "MAINTAIN_POSITIONS", gate=base.gate,
        provenance=provenance, order_deadline_s=settings.exchange.order_deadline_s,
        checks=lambda order: rate.why(order) or checks.why(order),
        leaving=(lambda _: None) if prices is None else OrderQuotes(prices, ports.journal, clock).note,
    )  # fmt: skip
    protection = ProtectionKeeper(
        base.bus, execution=execution, exchange=exchange, journal=ports.journal, positions=portfolio,
        instruments=ports.instruments, book=base.market.book, gate=base.gate, clock=clock, ids=base.ids,
        tasks=base.tasks, timer=ports.timer,
    )  # fmt: skip
    base.account_line.add(base.monitoring.on_line)
    base.account_line.add(lambda up, _: protection.check() if up else None)
    reconciliation = None if ports.surroundings is None else ReconciliationService(
        config, portfolio, event_bus=base.bus, exchange=exchange, orders=execution, gate=base.gate,
        journal=ports.journal, writer=base.writer, clock=clock, tasks=base.tasks,
    )  # fmt: skip
    return Trading(checks=checks, execution=execution, protection=protection, reconciliation=reconciliation)


def market(
    base: Foundation,
    exchange: HearsCandles,
    *,
    sinks: Sequence[MarketSink] = (),
    listed: Sequence[Callable[[str, str], None]] = (),
) -> DataIngestor:
    """The feed onto the bus. `sinks` hear every call first, `listed` how the exchange lists a pair."""
    known = {item: int(past.ts[-1]) for item, past in base.ports.history.items() if len(past)}
    prices = (base.prices,) if base.prices is not None else ()
    ingestor = DataIngestor(
        base.config, base.bus, feed=base.ports.feed, exchange=exchange, tasks=base.tasks, after=known,
        sinks=(*sinks, *prices), settles=isinstance(exchange, PaperExchange),
    )  # fmt: skip
    for told in listed:
        ingestor.listed(told)
    base.market.shown_by(ingestor)
    return ingestor


def recovering(base: Foundation, trades: Trading | None) -> None:
    """What must hold before trading resumes after a halt, where there are surroundings to look at.

    Without `trades` orders, their protection and the comparison with the exchange are another's to answer for.
    """
    around = base.ports.surroundings
    if around is None:
        return
    Recovery(
        pairs=base.pairs,
        reconcile=_nothing_wrong if trades is None or trades.reconciliation is None else trades.reconciliation.check,
        account_fault=base.account_line.fault,
        market_fault=base.market.fault,
        unknown=lambda: () if trades is None else trades.execution.unknown.open,
        unprotected=lambda: () if trades is None else trades.protection.unprotected(), lease_held=around.lease_held, journal=base.ports.journal,
        clock=base.clock, ids=base.ids, folder=around.folder, settings=lambda: base.config.config.monitoring,
        offset=base.offset,
    ).fill(base.halt.checklist)  # fmt: skip


async def _nothing_wrong() -> str:
    return ""


def exchange_of(config: ConfigurationManager, ports: Ports) -> Exchange:
    """The exchange that was given, else a simulated one."""
    if ports.exchange is not None:
        return ports.exchange
    return paper_exchange(config, ports.instruments, quote_of(ports), ports.clock, ports.recorded)


def require_paper(
    config: ConfigurationManager, ports: Ports, rules: EntryRules | None, *, paper: bool
) -> None:
    """Raises ConfigError where a model that the gates refused, or a rule that none ever judged, would trade real money."""
    if paper:
        return
    if ports.override is not None:
        raise ConfigError(
            f"model {ports.override.model_id} was refused by the gates: it may trade paper money only"
        )
    if rules is not None:
        raise ConfigError(
            f"strategy {config.config.strategy.id} asks no model, and no certificate stands behind it: "
            "it may trade paper money only"
        )


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


def quote_of(ports: Ports) -> str:
    """The one quote currency of the series. Raises ConfigError where there are several, or one pair comes twice."""
    quotes = {item.quote for item in ports.series}
    if len(quotes) != 1:
        listed = ", ".join(sorted(quotes)) or "none"
        raise ConfigError(f"an engine counts in one quote currency, but its pairs have: {listed}")
    pairs = [item.pair for item in ports.series]
    if len(set(pairs)) != len(pairs):
        raise ConfigError(f"an engine trades each pair once, at one interval: {', '.join(pairs)}")
    return quotes.pop()


def _keep_notes(journal: SessionJournal, tasks: TaskSupervisor) -> None:
    """Write what is noted now, and not with the next batch. A database that is down has its own consequences."""

    async def write() -> None:
        with suppress(StorageError):
            await journal.flush()

    tasks.start(write(), "notes of an approved signal")
