"""What a configuration takes from installed packages: all of it loaded, its parameters read, before anything runs."""

from collections.abc import Iterator
from typing import Any

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_core.extensions.contracts import CONTRACTS, RiskRuleExtension, parameters_of
from gal_friday_core.extensions.loading import Extension, extension
from gal_friday_core.extensions.offers import BUILT_IN, Kind, offers, unknown
from gal_friday_core.risk.rules import NamedRule


def in_use(config: Config) -> tuple[Extension[Any], ...]:
    """By kind, in the order of the configuration, each once.

    Raises ConfigError for a name that is taken or that nobody offers, a package that cannot be loaded, a parameter that
    it does not take, and parameters for what nobody offers.
    """
    found = dict[str, Extension[Any]]()
    for kind, name, key in named(config):
        if problem := unknown(kind, name, key):
            raise ConfigError(problem)
        if name not in BUILT_IN[kind]:
            found[name] = extension(kind, name, CONTRACTS[kind], key)
    offered = {offer.name for offer in offers()}
    for name in config.extensions:
        if name not in offered:
            known = ", ".join(sorted(offered)) or "none"
            raise ConfigError(
                f"extensions.{name}: no installed package offers this name; offered are: {known}"
            )
    for one in found.values():
        parameters_of(one.name, one.contents.parameters, config)
    return tuple(found.values())


def named(config: Config) -> Iterator[tuple[Kind, str, str]]:
    """Every name in the configuration that a package may offer: its kind, itself, and its key."""
    yield "strategy", config.strategy.id, "strategy.id"
    for name in config.features.sets:
        yield "feature-set", name, "features.sets"
    yield "feature-set", config.training.feature_set, "training.feature_set"
    for name in config.risk.rules:
        yield "risk-rule", name, "risk.rules"
    venue = config.market.exchange  # names a venue of stored history too, which no package offers
    if venue in BUILT_IN["exchange"] or any(offer.name == venue for offer in offers("exchange")):
        yield "exchange", venue, "market.exchange"


def rules_of(config: Config) -> tuple[NamedRule, ...]:
    """The configured risk rules, made with their parameters. Raises ConfigError as `in_use` does."""
    return tuple(
        NamedRule(
            found.name,
            found.contents.make(parameters_of(found.name, found.contents.parameters, config), config),
        )
        for name in config.risk.rules
        for found in [extension("risk-rule", name, RiskRuleExtension, "risk.rules")]
    )


def lineage(config: Config) -> str:
    """Packages, versions and code of all that is in use, as a code's version names them; empty for none."""
    return " ".join(dict.fromkeys(one.lineage for one in in_use(config)))
