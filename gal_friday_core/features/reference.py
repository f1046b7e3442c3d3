"""docs/features.md, written from the registry: `python -m gal_friday_core.features.reference > docs/features.md`."""

import sys

from gal_friday_core.features.book_layout import LATE_NS, SLICE_NS
from gal_friday_core.features.book_set import BOOK_V1, CANDLES_BOOK_V1
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import REACH
from gal_friday_core.features.layout import LONGEST_GAP
from gal_friday_core.features.schema import Feature, FeatureSchema

_INTRODUCTION = f"""# Features

This page is generated from the registry (`python -m gal_friday_core.features.reference`); a test holds it
current. Why the kernel is built as it is: [decision 0002](decisions/0002-anchored-feature-kernel.md).

A feature is a number known when its bar closes. All are free of the price level and of the volume's unit. A
value is NaN for as many bars as its warm-up says, and finite from then on, also in a market that does not
move: the neutral value then stands with the unit. A gap of more than {LONGEST_GAP} intervals starts the
warm-up anew. Research, backtest and the live engine compute features with the same compiled function, bit
for bit; a row depends on the last {REACH:,} bars at most.

Recursive averages (EMA, MACD, RSI, ATR) count as warm when their first value weighs less than 0.1 %.

## Book and trades

Features of book and trades come from a kernel of their own, told every verified book, every trade and every
loss in the order in which they were received. Events are summed into slices of one second of the absolute time
grid; a window of n seconds is the last n whole slices and the one that is running, so that at a bar's close
it is the n seconds before. The row of a moment knows what was received before it. Recorded sessions and the
live engine run the same compiled function on the same integers: their rows are equal bit for bit, and a
stream that was begun a window ago equals one begun long before. Why:
[decision 0005](decisions/0005-book-features-in-slices.md).

A book that is lost (a wrong checksum, a broken line, no spread) has no features from then on, and a feature of
a window is NaN until the book was observed anew for the whole window. The same holds for trades after a gap, as
which a trade that is told more than {LATE_NS // SLICE_NS} seconds late counts as well. A loss carries no time of the market: told before
the first book, trade or bar that settles a moment, it takes what was lost from that moment's row too.
"""

_INPUTS = {
    CANDLES_V1.name: ("open, high, low, close and volume", "bars"),
    BOOK_V1.name: ("the best levels of a verified book and single trades", "seconds"),
    CANDLES_BOOK_V1.name: (
        f"`{CANDLES_V1.name}` and, at the bar's close, `{BOOK_V1.name}`",
        "bars of a minute",
    ),
}


def _row(feature: Feature) -> str:
    parameters = ", ".join(f"{name} {value:g}" for name, value in feature.parameters)
    source = feature.source.replace("|", "\\|")
    return f"| `{feature.name}` | {feature.unit} | {feature.warmup} | {parameters} | {source} |"


def _section(schema: FeatureSchema) -> str:
    inputs, unit = _INPUTS[schema.name]
    head = (
        f"## {schema.name}\n\n"
        f"{len(schema)} features from {inputs}; revision {schema.revision}; all are "
        f"finite after {schema.warmup} {unit}. Schema hash, stored with every table and model:\n"
        f"`{schema.hash}`\n"
    )
    return head if schema is CANDLES_BOOK_V1 else f"{head}\n{_table(schema, unit)}\n"


def _table(schema: FeatureSchema, unit: str) -> str:
    head = f"| name | unit | warm-up ({unit}) | parameters | definition or source |\n|---|---|---|---|---|\n"
    return head + "\n".join(map(_row, schema.features))


def page() -> str:
    """The whole page as markdown."""
    return "\n".join([_INTRODUCTION, *map(_section, (CANDLES_V1, BOOK_V1, CANDLES_BOOK_V1))])


if __name__ == "__main__":
    sys.stdout.write(page())
