"""What the shell may complete beyond commands and options: pairs, series, models, strategies, by what is there.

A completion is a keypress that waits, so nothing is started or migrated for it, and whatever does not answer at once
has nothing to offer.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gal_friday_core.errors import GalFridayError

if TYPE_CHECKING:
    from gal_friday_core.config import Config

STRATEGIES: Final = ("threshold", "cost_and_volatility", "ema_cross")
"""Those of this house; importing them would take a second."""
STAGES: Final = ("development", "staging", "production", "archived")
_MODELS: Final = "select model_type || '@v' || version from model_version order by created_at desc limit 100"
PATIENCE_S: Final = 1


def pairs(incomplete: str) -> list[str]:
    """Those that are configured, and those in the lake."""
    return _beginning(incomplete, {one for config in _configs() for one in _pairs(config)})


def series(incomplete: str) -> list[str]:
    """Every series in the lake, such as kraken:BTC-USD:1m."""
    return _beginning(incomplete, {":".join(one) for config in _configs() for one in _stored(config)})


def models(incomplete: str) -> list[str]:
    """The newest hundred, where the database is up."""
    return _beginning(incomplete, {one for config in _configs() for one in _models(config)})


def model_types(incomplete: str) -> list[str]:
    """What models are for, where the database is up."""
    known = {one.partition("@v")[0] for config in _configs() for one in _models(config)}
    return _beginning(incomplete, known)


def strategies(incomplete: str) -> list[str]:
    """Those of this house, and those of installed packages."""
    from importlib.metadata import entry_points

    offered = {entry.name for entry in entry_points(group="gal_friday.strategies")}
    return _beginning(incomplete, {*STRATEGIES, *offered})


def stages(incomplete: str) -> list[str]:
    """Of a model's life."""
    return _beginning(incomplete, STAGES)


def intervals(incomplete: str) -> list[str]:
    """Lengths of bars."""
    return _beginning(incomplete, ("1m", "5m", "15m", "30m", "1h", "4h", "1d"))


BY_NAME: Final[dict[str, Callable[[str], list[str]]]] = {
    "pair": pairs, "pairs": pairs, "series": series, "model": models, "model_id": models, "other_id": models,
    "model_ids": models, "control": models, "challenger": models, "model_type": model_types,
    "strategy": strategies, "stage": stages, "interval": intervals,
}  # fmt: skip
"""By the name of a command's parameter."""


def attach(callback: Callable[..., Any] | None) -> None:
    """Let the parameters of a command complete what `BY_NAME` knows, unless they have a completion of their own."""
    if callback is None:
        return
    for name, parameter in inspect.signature(callback).parameters.items():
        offered = BY_NAME.get(name)
        for told in getattr(parameter.annotation, "__metadata__", ()):
            if offered is not None and hasattr(told, "autocompletion") and told.autocompletion is None:
                told.autocompletion = offered


def _beginning(incomplete: str, known: Iterable[str]) -> list[str]:
    return sorted(one for one in known if one.startswith(incomplete))


def _configs() -> Iterator["Config"]:
    """The one in force; none where it is wrong: whoever completes a line is not told of that."""
    import os

    from gal_friday_live.commands.common import load_config

    named = os.environ.get("GAL_FRIDAY_CONFIG")
    try:
        yield load_config(Path(named) if named else None).config
    except GalFridayError:
        return


def _pairs(config: "Config") -> Iterator[str]:
    yield from config.market.pairs
    for _, pair, _ in _stored(config):
        yield pair.replace("-", "/")


def _stored(config: "Config") -> Iterator[tuple[str, str, str]]:
    """Venue, pair and interval by the names of the lake's folders."""
    from gal_friday_adapters.paths import lake_dir

    root = lake_dir(config)
    if not isinstance(root, Path):  # nobody waits for a far server while typing
        return
    for folder in (root / "candles").glob("venue=*/pair=*/interval=*"):
        venue, pair, interval = (part.partition("=")[2] for part in folder.parts[-3:])
        yield venue, pair, interval


def _models(config: "Config") -> Iterator[str]:
    import psycopg

    from gal_friday_adapters.paths import postgres_dir
    from gal_friday_adapters.postgres.connect import libpq_url
    from gal_friday_adapters.postgres.server import EmbeddedPostgres

    configured = config.storage.database_url
    if configured is None and not EmbeddedPostgres(postgres_dir(config)).exists:
        return
    url = (
        EmbeddedPostgres(postgres_dir(config)).url() if configured is None else configured.get_secret_value()
    )
    try:
        with psycopg.connect(
            libpq_url(url), connect_timeout=PATIENCE_S, options="-c statement_timeout=1000"
        ) as connection:
            yield from (str(row[0]) for row in connection.execute(_MODELS).fetchall())
    except psycopg.Error:
        return
