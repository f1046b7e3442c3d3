"""What `gal-friday backtest` is asked for: under which settings, which bars, and which model, or one clear error."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from gal_friday_core.candles import Series
from gal_friday_core.errors import ConfigError, DataError
from gal_friday_core.times import from_iso, to_iso

if TYPE_CHECKING:
    from gal_friday_adapters.lake import CandleLake
    from gal_friday_core.predictor import Predictor
    from gal_friday_live.configuration import ConfigurationManager

Named = tuple[str | None, str | None, str | None]
"""Venue, pair and interval, as far as they were said."""


def settings(
    manager: "ConfigurationManager", strategy: str | None, limits: str | None
) -> tuple["ConfigurationManager", list[str]]:
    """The configuration that the run trades under, and what a reader must know of it.

    Raises ConfigError for a strategy that there is not, or that the configuration forbids.
    """
    from gal_friday_core.strategies.presets import PRESETS, trading, with_preset
    from gal_friday_core.strategies.registry import factory
    from gal_friday_live.configuration import ConfigurationManager

    config = manager.config
    if strategy is not None:
        factory(strategy)
        config = trading(config, strategy)
    has_preset = config.strategy.id in PRESETS
    if limits == "rule" and not has_preset:
        raise ConfigError(
            f"strategy {config.strategy.id} has no costs and limits of its own: leave out --limits rule"
        )
    if limits == "configured" or not has_preset or (limits is None and strategy is None):
        return ConfigurationManager.from_config(config), []
    config, changed = with_preset(config)
    note = (
        f"Costs and limits that {config.strategy.id} is compared under, where the configuration sets none: "
        f"{', '.join(f'{key} {value}' for key, value in changed.items())}. "
        "Paper trading has the configured ones: --limits configured."
    )
    return ConfigurationManager.from_config(config), [note] if changed else []


def cash(said: str | None, manager: "ConfigurationManager") -> Decimal:
    """Raises ConfigError for what is not an amount above zero."""
    if said is None:
        return manager.config.paper.initial_cash
    try:
        amount = Decimal(said)
    except InvalidOperation:
        amount = Decimal(0)
    if not (amount.is_finite() and amount > 0):
        raise ConfigError(f"--initial {said!r} is not an amount of money above zero, such as 10000")
    return amount


@contextmanager
def lake(history: list[Path] | None, named: Named, manager: "ConfigurationManager") -> "Iterator[CandleLake]":
    """The stored lake, or one of its own for the files given, gone afterwards."""
    from gal_friday_adapters.ingest import Overrides, ingest_paths
    from gal_friday_adapters.lake import CandleLake
    from gal_friday_adapters.paths import lake_dir

    if not history:
        yield CandleLake(lake_dir(manager.config))
        return
    from gal_friday_live.commands.ingest import progress_bars

    with tempfile.TemporaryDirectory(prefix="gal-friday-") as folder:
        own = CandleLake(Path(folder) / "lake")
        with progress_bars() as progress:
            ingest_paths(list(history), own, overrides=Overrides(*named), progress=progress)
        yield own


def chosen(manager: "ConfigurationManager", lake: "CandleLake", series: str | None, named: Named) -> Series:
    """The series by its key, else the one stored that fits, else the configured one. Raises DataError."""
    from gal_friday_adapters.history.naming import split_pair

    if series is not None:
        return Series.parse(series)
    venue, pair, interval = named
    pair = split_pair(pair) if pair is not None else None
    stored = [
        item
        for item in lake.series()
        if venue in {None, item.venue} and pair in {None, item.pair} and interval in {None, item.interval}
    ]
    if len(stored) == 1:
        return stored[0]
    market = manager.config.market
    configured = Series(market.exchange, market.pairs[0], market.interval)
    if configured in stored:
        return configured
    if stored:
        raise DataError(f"choose with --series: stored are {', '.join(item.key for item in stored)}")
    known = ", ".join(item.key for item in lake.series())
    wanted = " ".join(str(part) for part in (venue, pair, interval) if part is not None)
    raise DataError(
        f"no candles of {wanted} are stored: there are {known}" if known else
        "no candles are stored: ingest first"
    )  # fmt: skip


def several(
    manager: "ConfigurationManager",
    lake: "CandleLake",
    history: list[Path] | None,
    series: Sequence[str] | None,
    named: tuple[str | None, Sequence[str], str | None],
) -> list[Series]:
    """All that one portfolio is to trade: series by their keys, pairs, or what several files hold; else the one that
    `chosen` finds. Raises DataError.
    """
    venue, pairs, interval = named
    if series:
        return [Series.parse(key) for key in dict.fromkeys(series)]
    if len(pairs) > 1:
        return [chosen(manager, lake, None, (venue, pair, interval)) for pair in pairs]
    given = lake.series()
    if not pairs and len(history or ()) > 1 and len(given) > 1:
        return given
    return [chosen(manager, lake, None, (venue, pairs[0] if pairs else None, interval))]


def common_span(
    lake: "CandleLake", series: Sequence[Series], start: str | None, end: str | None
) -> tuple[int, int]:
    """As `span`, from the first of any of them to the last."""
    spans = [span(lake, one, start, end) for one in series]
    return min(first for first, _ in spans), max(last for _, last in spans)


def span(lake: "CandleLake", series: Series, start: str | None, end: str | None) -> tuple[int, int]:
    """The time asked for, ns UTC, the end exclusive; all that is stored by default. Raises DataError."""
    months = lake.months(series)
    if not months:
        raise DataError(f"no candles of {series.key} are stored: run gal-friday ingest first")
    first = from_iso(start) if start else int(lake.read(series, end_ns=_after(months[0])).ts[0])
    last = from_iso(end) if end else _after(months[-1])
    if first >= last and end is None:
        raise DataError(
            f"no candles of {series.key} from {to_iso(first)} on: months {months[0]} to {months[-1]} are stored"
        )
    if first >= last:
        raise DataError(f"--from {to_iso(first)} is not before --to {to_iso(last)}")
    return first, last


def _after(month: str) -> int:
    year, number = map(int, month.split("-"))
    return from_iso(f"{year + number // 12:04d}-{number % 12 + 1:02d}-01")


def asks_model(manager: "ConfigurationManager", model_id: str | None, threshold: float | None) -> bool:
    """Whether the strategy trades a model. Raises ConfigError where one is named that it does not ask."""
    from gal_friday_core.strategies.registry import rule_of

    config = manager.config
    if rule_of(config) is None:
        return True
    said = [name for name, value in (("--model", model_id), ("--threshold", threshold)) if value is not None]
    if said:
        raise ConfigError(
            f"strategy {config.strategy.id} asks no model: leave out {' and '.join(said)}, or choose another --strategy"
        )
    return False


def predictor(manager: "ConfigurationManager", model_id: str | None, series: Series) -> "Predictor":
    """The model to trade: that of the registry by its name, else the one in production. Raises RegistryError."""
    from gal_friday_live.commands.backtest_models import models

    found = models(manager, model_id, None, series, by_model=True).traded
    assert found is not None  # or it had raised
    return found
