"""When everything works again, everything must be well again: what still is not, in words."""

from decimal import Decimal

from gal_friday_adapters.simulated_kraken.demo import KEY
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_core.money import ZERO
from gal_friday_live.simulation.invariants import Invariants
from gal_friday_live.simulation.present import Trades

WITHIN_S = 120.0
"""After the last fault."""


def unwell(engine: Trades | None, up: bool, exchange: Exchange, invariants: Invariants) -> list[str]:
    """What keeps the account from being as it should; nothing where it is."""
    if engine is None or not up:
        return ["the engine is not up"]
    problems = []
    if engine.halt.halted:
        problems.append(f"halted: {engine.halt.reason}")
    if blocks := engine.gate.blocks():
        problems.append(f"blocked: {blocks}")
    if unknown := engine.execution.unknown.open:
        problems.append(f"unknown: {', '.join(unknown)}")
    if bare := engine.protection.unprotected():
        problems.append(f"unprotected by its own account: {', '.join(bare)}")
    if reserved := _reserved_for_nothing(engine):
        problems.append(f"{reserved} is reserved, and no buy is open")
    return problems + _money(engine, exchange) + _orders(engine, exchange) + _stops(exchange, invariants)


def _reserved_for_nothing(engine: Trades) -> Decimal:
    """Cash that no open buy will take."""
    funds = engine.portfolio.funds
    buys = any(record.order.side == "BUY" for record in engine.execution.blotter.open())
    return ZERO if buys else funds.cash - funds.available


def _money(engine: Trades, exchange: Exchange) -> list[str]:
    ours, theirs = engine.portfolio.funds.balances(), exchange.balances(KEY)
    return [
        f"{asset}: {ours.get(asset, ZERO)} here, {theirs.get(asset, ZERO)} at the exchange"
        for asset in sorted({*ours, *theirs})
        if ours.get(asset, ZERO) != theirs.get(asset, ZERO)
    ]


def _orders(engine: Trades, exchange: Exchange) -> list[str]:
    ours = {record.exchange_order_id for record in engine.execution.blotter.open()}
    theirs = {order.order_id for order in exchange.orders(KEY) if order.is_open}
    return [f"order {name} is open on one side only" for name in sorted(map(str, ours ^ theirs))]


def _stops(exchange: Exchange, invariants: Invariants) -> list[str]:
    """At the exchange, what is held rests under stops; a rest too small for any order may not."""
    problems = []
    for symbol in exchange.markets:
        listing = exchange.listing(symbol)
        held = exchange.balances(KEY).get(listing.base.name, ZERO) - invariants.calm.held_by_others(symbol)
        covered = sum((order.left for order in invariants.open(symbol, "sell")), Decimal(0))
        if held - covered >= listing.quantity_min:
            problems.append(f"{symbol}: {held} held, {covered} under orders that sell")
    return problems
