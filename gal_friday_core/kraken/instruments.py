"""From Kraken's instrument snapshot to the instruments that the engine trades by."""

from collections.abc import Iterable

from gal_friday_core.instruments import Instrument
from gal_friday_core.kraken.wire import Pair


def instrument(pair: Pair) -> Instrument:
    """One pair as the engine knows it. Raises ContractError where its steps make no sense."""
    return Instrument(
        pair.symbol,
        price_tick=pair.price_increment.normalize(),
        lot=pair.qty_increment.normalize(),
        min_quantity=pair.qty_min,
        min_cost=pair.cost_min,
        price_decimals=pair.price_precision,
        qty_decimals=pair.qty_precision,
        status=pair.status,
    )


def instruments(pairs: Iterable[Pair]) -> dict[str, Instrument]:
    """Every pair of a snapshot by its symbol."""
    return {pair.symbol: instrument(pair) for pair in pairs}
