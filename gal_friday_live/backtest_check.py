"""Holds the fast way of backtests equal to the engine, order by order and digit by digit, on worlds drawn at random."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from gal_friday_core.backtest.run import Ran
from gal_friday_core.backtest.summary import summary_of
from gal_friday_core.events import Event
from gal_friday_core.orders import Order
from gal_friday_live import intents
from gal_friday_live.backtest_worlds import BacktestWorld
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.fast_backtest import trade, why_not
from gal_friday_live.feeds import RecordedFeed
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.ids import SequentialIds
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.wiring import Ports, build


@dataclass(slots=True)
class Played:
    """What a run did, as text and decimals: two runs are equal where this is."""

    intents: list[bytes] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)
    curve: list[tuple[int, str]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)


def differences(world: BacktestWorld) -> list[str]:
    """Where the two ways part, or why the fast one was not taken; empty where they are equal."""
    reason = why_not(world.config, world.pairs)
    if reason:
        return [f"{world}: not compared: {reason}"]
    ran = trade(world.config, world.pairs, world.cash, world.strategies)
    fast, engine = by_scan(world, ran), asyncio.run(by_engine(world))
    return [f"{world}: {line}" for line in _compared(fast, engine)]


def by_scan(world: BacktestWorld, ran: Ran) -> Played:
    """The run that is to be proved."""
    account = ran.account
    override = None if world.override is None else world.override.reason
    return Played(
        intents=[msgspec.json.encode(order) for order in account.orders],
        reports=[msgspec.json.encode(report) for report in account.reports],
        refused=[
            msgspec.json.encode((one.signal_id, one.side, one.verdict.code, one.verdict.details))
            for one in account.refused
        ],
        curve=[(ts, str(equity)) for ts, equity in ran.equity],
        summary=summary_of(ran, override=override),
    )


async def by_engine(world: BacktestWorld) -> Played:
    """The reference: every bar through every service."""
    played, journal = Played(), MemoryJournal(keep_notes=False)
    engine = build(_configuration(world), _ports(world, journal, played))

    def report(event: Event) -> None:
        played.reports.append(msgspec.json.encode(event.payload))

    def refusal(event: Event) -> None:
        told: Any = event.payload
        played.refused.append(msgspec.json.encode((told.signal_id, told.side, told.reason, told.details)))

    engine.bus.subscribe("EXECUTION_REPORT", report)
    engine.bus.subscribe("TRADE_SIGNAL_REJECTED", refusal)
    await engine.start()
    try:
        await engine.run()
    finally:
        await engine.stop()
    fields = [one.name for one in msgspec.structs.fields(Order)]
    for entry in journal.entries:
        if entry.kind == intents.KIND:
            played.intents.append(msgspec.json.encode({name: entry.record[name] for name in fields}))
    played.summary = engine.summary()
    return played


def _configuration(world: BacktestWorld) -> ConfigurationManager:
    paper = world.config.paper.model_copy(update={"initial_cash": world.cash})
    return ConfigurationManager.from_config(world.config.model_copy(update={"paper": paper}))


def _ports(world: BacktestWorld, journal: MemoryJournal, played: Played) -> Ports:
    start = min(int(pair.played.bars.ts[0]) for pair in world.pairs)
    clock = SimulatedClock(start)
    played.curve.append((start, str(world.cash)))

    def mark(close_ns: int, equity: Decimal) -> None:
        played.curve.append((close_ns, str(equity)))

    models = [pair.predictor for pair in world.pairs if pair.predictor is not None]
    return Ports(
        series=tuple(pair.played.series for pair in world.pairs),
        instruments=tuple(pair.played.instrument for pair in world.pairs),
        clock=clock,
        feed=RecordedFeed(tuple(pair.played.bars for pair in world.pairs), clock),
        models=FixedModels(*models),
        journal=journal,
        ids=SequentialIds(),
        history={pair.played.series: pair.played.history for pair in world.pairs},
        override=world.override,
        recorded={
            pair.played.series.pair: pair.played.recorded
            for pair in world.pairs
            if pair.played.recorded is not None
        },
        on_bar=mark,
        strategies=world.strategies,
    )


def _compared(fast: Played, engine: Played) -> Iterator[str]:
    """The first difference of each kind."""
    for name in ("intents", "reports", "refused", "curve"):
        ours, theirs = getattr(fast, name), getattr(engine, name)
        for place, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            if one != other:
                yield f"{name} {place}: scan {one!r}, engine {other!r}"
                break
        else:
            if len(ours) != len(theirs):
                yield f"{len(ours)} {name} by the scan, {len(theirs)} by the engine"
    for name, value in engine.summary.items():
        if fast.summary.get(name) != value:
            yield f"summary {name}: scan {fast.summary.get(name)!r}, engine {value!r}"
