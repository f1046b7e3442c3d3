"""docs/features.md, written from the registry: `python -m gal_friday_core.features.reference > docs/features.md`."""

import sys

from gal_friday_core.features.drivers import REACH
from gal_friday_core.features.layout import LONGEST_GAP
from gal_friday_core.features.registry import FEATURE_SETS
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
"""


def _row(feature: Feature) -> str:
    parameters = ", ".join(f"{name} {value:g}" for name, value in feature.parameters)
    return f"| `{feature.name}` | {feature.unit} | {feature.warmup} | {parameters} | {feature.source} |"


def _section(schema: FeatureSchema) -> str:
    head = (
        f"## {schema.name}\n\n"
        f"{len(schema)} features from open, high, low, close and volume; revision {schema.revision}; all are "
        f"finite after {schema.warmup} bars. Schema hash, stored with every table and model:\n"
        f"`{schema.hash}`\n\n"
        "| name | unit | warm-up (bars) | parameters | definition or source |\n|---|---|---|---|---|\n"
    )
    return head + "\n".join(map(_row, schema.features)) + "\n"


def page() -> str:
    """The whole page as markdown."""
    return "\n".join([_INTRODUCTION, *map(_section, FEATURE_SETS)])


if __name__ == "__main__":
    sys.stdout.write(page())
