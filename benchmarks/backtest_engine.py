"""The rule by Gal-Friday's whole engine, every bar through every service: what the fast way is held equal to."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import backtest_ours as ours
from benchmarks.peer_backtest import head, main
from gal_friday_core import __version__
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.ids import SequentialIds
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.paper import replay_ports
from gal_friday_live.replay_data import Stretch
from gal_friday_live.wiring import build


def prepare(bars, rule):
    run((configured(rule), stretch(head(bars, 3_000))))
    return configured(rule), stretch(bars)


def configured(rule):
    settings = ours.configured(rule)
    paper = settings.paper.model_copy(update={"initial_cash": ours.money(rule.cash)})
    return ConfigurationManager.from_config(settings.model_copy(update={"paper": paper}))


def stretch(bars):
    whole = ours.candles(bars)
    return Stretch(ours.SERIES, whole, whole[:0], ours.INSTRUMENT)


def run(prepared):
    config, played = prepared
    return played.bars.ts, *asyncio.run(_trade(config, played))


async def _trade(config, played):
    ports = replay_ports(played, FixedModels(), MemoryJournal(keep_notes=False), ids=SequentialIds())
    engine = build(config, ports)
    reports = []
    engine.bus.subscribe("EXECUTION_REPORT", lambda event: reports.append(event.payload))
    await engine.start()
    await engine.run()
    equity = engine.portfolio.state().total_equity
    await engine.stop()
    return reports, equity


def told(result):
    ts, reports, equity = result
    return ours.trades_of(ts, reports), equity


if __name__ == "__main__":
    main(__version__, prepare, run, told)
