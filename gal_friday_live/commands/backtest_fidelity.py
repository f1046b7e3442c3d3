"""`gal-friday backtest --fidelity`: how closely this one run follows a real exchange, beyond what is configured."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gal_friday_core.errors import ConfigError

if TYPE_CHECKING:
    from gal_friday_adapters.lake import CandleLake
    from gal_friday_core.candles import Series
    from gal_friday_live.configuration import ConfigurationManager

REPLAYS = ("bars", "trades", "book")
REALISTIC = {
    "fees": "kraken", "slippage": "estimated", "latency_ms": 250, "participation": "0.1", "limit_queue": "volume",
}  # fmt: skip
FidelityOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fidelity",
        metavar="WORD",
        help="What orders meet: bars, trades or book, as far as they were recorded. realistic: Kraken's fees, estimated "
        "slippage, 250 ms, a tenth of a bar's volume, the queue. Or KEY=VALUE of the configuration's section fidelity, "
        "such as latency_ms=250; slippage=estimated estimates it. Repeat for several.",
        show_default=False,
    ),
]


def applied(
    manager: "ConfigurationManager",
    said: Sequence[str] | None,
    lake: "CandleLake",
    several: "Sequence[Series]",
    span: tuple[int, int],
) -> tuple["ConfigurationManager", list[str]]:
    """The configuration that the run trades under, and what a reader must know of it. Raises ConfigError for other words."""
    from pydantic import ValidationError

    from gal_friday_core.config import Config
    from gal_friday_live.configuration import ConfigurationManager

    if not said:
        return manager, []
    wanted, notes = _wanted(said), []
    if wanted.get("slippage") == "estimated":
        found, source = _estimated(manager, lake, several, span)
        wanted |= found
        notes.append(
            f"Slippage is modelled: half of the spread {found['half_spread']}, estimated from {source}."
        )
    config = manager.config
    sections = config.model_dump()
    sections["fidelity"] |= wanted
    try:
        sections["costs"] |= _at_least(sections, notes)
        return ConfigurationManager.from_config(Config.model_validate(sections)), notes
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "fidelity"
        raise ConfigError(f"--fidelity {' '.join(said)}: {where}: {first['msg']}") from None


def _wanted(said: Sequence[str]) -> dict[str, Any]:
    from gal_friday_core.fidelity_settings import FidelityConfig

    wanted: dict[str, Any] = {}
    for word in said:
        key, _, value = word.partition("=")
        if word in REPLAYS:
            wanted["replay"] = word
        elif word == "realistic":
            wanted = {**REALISTIC, **wanted}
        elif value and key in FidelityConfig.model_fields and key != "fee_tiers":
            wanted[key] = None if value == "none" else value
        else:
            keys = ", ".join(name for name in FidelityConfig.model_fields if name != "fee_tiers")
            raise ConfigError(
                f"--fidelity {word!r} is none of {', '.join(REPLAYS)}, realistic, and KEY=VALUE where KEY is one of {keys}"
            )
    return wanted


def _estimated(
    manager: "ConfigurationManager", lake: "CandleLake", several: "Sequence[Series]", span: tuple[int, int]
) -> tuple[dict[str, Any], str]:
    """The dearest of what is estimated of each series, and from what."""
    from gal_friday_adapters.paths import lake_dir
    from gal_friday_live.cost_estimates import cost_estimate

    root = lake_dir(manager.config)
    found = [cost_estimate(root, lake.read(series, *span)) for series in several]
    dearest = max(found, key=lambda one: one.settings()["half_spread"])
    return dearest.settings(), dearest.source


def _at_least(sections: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """Costs raised to the first tier of the fees asked for: limits and strategies must not reckon with less."""
    from gal_friday_core.fidelity_settings import FidelityConfig, tier_of

    fidelity = FidelityConfig.model_validate(sections["fidelity"])
    if not fidelity.tiers:
        return {}
    _, maker, taker = tier_of(fidelity.tiers, fidelity.volume_elsewhere)
    costs = sections["costs"]
    raised = {"maker_fee": max(maker, costs["maker_fee"]), "taker_fee": max(taker, costs["taker_fee"])}
    if any(raised[name] != costs[name] for name in raised):
        notes.append(
            f"Limits and strategies reckon with the first tier: {raised['maker_fee']} as maker, {raised['taker_fee']} as taker."
        )
    return raised
