"""Whether the candles that were learnt from can be believed."""

import numpy as np

from gal_friday_core.candle_quality import assess
from gal_friday_core.candles import Candles
from gal_friday_core.evidence.report import Quality


def quality(candles: Candles, max_missing_share: float) -> Quality:
    """What speaks against them, none of it where they are as a market is."""
    found = assess(candles)
    slots = found.rows + found.missing_bars
    missing = found.missing_bars / slots if slots else 0.0
    reasons = list(found.quarantine_reasons)
    if missing > max_missing_share:
        reasons.append(
            f"{found.missing_bars:,} of {slots:,} bars are missing ({missing:.1%}, at most {max_missing_share:.0%}): "
            "ingest the missing months"
        )
    if found.rows and not np.ptp(candles.close) > 0:
        reasons.append("the price never changes")
    return Quality(candles=found.rows, missing_share=missing, reasons=tuple(reasons))
