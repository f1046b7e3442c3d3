"""Live against the backtest of a month, as a page and as numbers that Dagster plots."""

from pathlib import Path

import dagster as dg

from gal_friday_adapters.divergence_page import Stretch, render
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.live_tables import LiveTables
from gal_friday_assets.describe import Metadata
from gal_friday_assets.live_exports import Export, converse
from gal_friday_assets.pages import link
from gal_friday_assets.partitions import month_bounds
from gal_friday_assets.resources import Settings
from gal_friday_core.candles import Series
from gal_friday_core.errors import DataError
from gal_friday_core.times import to_iso
from gal_friday_live.divergence import Diverged, LiveAgainstBacktest, total


def divergences(settings: Settings, lake: CandleLake) -> Export:
    """Of one month of a series; where nothing was recorded it says so."""

    def export(_: LiveTables, series: Series, month: str) -> Metadata:
        start, end = month_bounds(month)
        interval = series.interval_ns
        try:
            found = converse(
                settings,
                lambda records, registry: LiveAgainstBacktest(
                    settings.manager, records, registry, lake
                ).between(series, start + interval, end + interval),
            )
        except DataError as error:
            return {"compared": False, "reason": str(error)}
        page = settings.report_file(series.key, f"live-{month}", "divergence.html")
        page.write_text(drawn(series, month, found), encoding="utf-8")
        return described(found, page)

    return export


def drawn(series: Series, month: str, found: list[Diverged]) -> str:
    """The page."""
    stretches = [
        Stretch(_title(one), one.split, one.simulated, one.lived, one.mark) for one in found
    ]  # fmt: skip
    first = found[0]
    notes = [f"Session {first.session} ({first.mode}). Backtests run under the configuration of now."]
    return render(f"Live against backtest: {series.key}, {month}", total(found), stretches, notes)


def described(found: list[Diverged], page: Path) -> Metadata:
    """Parts in quote currency; they add up to the gap, to the cent."""
    whole = total(found)
    return {
        "compared": True,
        "page": link(page),
        "divergence_page": dg.MetadataValue.path(page),
        "session": found[0].session,
        "mode": found[0].mode,
        "models": ", ".join(dict.fromkeys(one.model_id for one in found)),
        "backtest": float(whole.backtest),
        "live": float(whole.live),
        "gap": float(whole.gap),
        **{f"part_{name}": float(amount) for name, amount in whole.parts.items()},
        "trades": whole.stages[-1].trades,
        "backtest_trades": whole.stages[0].trades,
        "other_bars": sum(one.other_bars for one in found),
        "other_rows": sum(one.other_rows for one in found),
    }


def _title(one: Diverged) -> str:
    return (
        f"{one.model_id}, {to_iso(one.start_ns)[:16]} to {to_iso(one.end_ns)[:16]}: {one.bars:,} bars heard, "
        f"{one.other_bars:,} otherwise than in the lake, {one.other_rows:,} rows of features otherwise than computed"
    )
