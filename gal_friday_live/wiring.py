"""All wiring on one page: `build(config, ports)` makes an engine; a mode is nothing but a choice of ports."""

from functools import partial

from gal_friday_live import composition
from gal_friday_live.composition import entry_rules, paper_exchange
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.engine import Engine
from gal_friday_live.engine_ports import Ports
from gal_friday_live.paper_exchange import PaperExchange
from gal_friday_live.trades_under_way import trades_under_way

__all__ = ["Ports", "build", "entry_rules", "paper_exchange"]


def build(config: ConfigurationManager, ports: Ports) -> Engine:
    """An engine, not yet started.

    Raises ConfigError where the ports contradict each other, among others where a model that the gates
    refused would trade on anything but the simulated exchange.
    """
    base = composition.foundation(config, ports)
    exchange = composition.exchange_of(config, ports)
    rules = entry_rules(config, ports)
    paper = ports.simulated or isinstance(exchange, PaperExchange)
    composition.require_paper(config, ports, rules, paper=paper)
    portfolio = composition.account(base, exchange, ports.journal)
    research = composition.researching(base, portfolio.positions, rules)
    decisions = composition.deciding(
        base, portfolio, research.prediction, journal=ports.journal,
        without_model=None if rules is None else config.config.strategy.id,
    )  # fmt: skip
    risk = decisions.risk
    trades = composition.trading(
        base,
        exchange,
        portfolio,
        provenance=research.provenance,
        limits=lambda: risk.limits,
        rate=decisions.rate,
    )
    protection = trades.protection
    watching = (protection.watch,) if protection.active else ()
    ingestor = composition.market(
        base,
        exchange,
        sinks=(*research.features.sinks, *watching),
        listed=(risk.listed, trades.checks.listed),
    )
    composition.recovering(base, trades)
    return Engine(
        series=tuple(ports.series), bus=base.bus, tasks=base.tasks, clock=ports.clock, journal=ports.journal,
        halt=base.halt, gate=base.gate, monitoring=base.monitoring, portfolio=portfolio, risk=risk,
        execution=trades.execution, strategy=research.strategy, prediction=research.prediction,
        features=research.features, ingestor=ingestor, provenance=research.provenance, notes=decisions.notes,
        exchange=exchange, protection=protection, reconciliation=trades.reconciliation,
        account_line=base.account_line,
        under_way=partial(
            trades_under_way, journal=ports.journal, models=ports.models, positions=portfolio,
            series=ports.series, history=ports.history,
        ),
    )  # fmt: skip
