"""`gal-friday backtest` over several pairs: one portfolio, each pair with the production model of its own where one is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from gal_friday_core.errors import ConfigError
from gal_friday_live.commands.backtest_models import PRODUCTION, models
from gal_friday_live.commands.common import console

if TYPE_CHECKING:
    from gal_friday_adapters.lake import CandleLake
    from gal_friday_core.candles import Series
    from gal_friday_core.predictor import Predictor
    from gal_friday_core.tearsheet.deflation import Tried
    from gal_friday_live.backtest_beside import Beside
    from gal_friday_live.configuration import ConfigurationManager
    from gal_friday_live.portfolio_backtest import PortfolioBacktest

ONE_SERIES = {
    "--model": "leave it out, and each pair trades its production model",
    "--threshold": "leave it out, and each model trades from its own on",
    "--guards": "name one pair; what is decided of a pair does not depend on the others",
}
"""Options that ask one series, and what to do with several."""


def require_fitting(count: int, said: Mapping[str, object], compare: str | None) -> None:
    """Raises ConfigError where an option was `said` that `count` pairs cannot share."""
    wrong = next((name for name, value in said.items() if value not in (None, False)), None)
    if wrong is not None:
        raise ConfigError(f"{wrong} asks one series, and {count} pairs are traded: {ONE_SERIES[wrong]}")
    if compare not in {None, PRODUCTION}:
        raise ConfigError(
            f"--compare {compare} trades one series, and {count} pairs are traded: compare with production"
        )


@dataclass(frozen=True, slots=True)
class Together:
    """Bars of all `series` that open in `span`, traded with one portfolio from `capital` on."""

    manager: "ConfigurationManager"
    lake: "CandleLake"
    series: "Sequence[Series]"
    span: tuple[int, int]
    capital: Decimal

    def trade(
        self, compare: str | None, trials: int | None, *, by_model: bool, exact: bool
    ) -> "tuple[dict[str, Any], PortfolioBacktest]":
        """The report, and who made it. Raises RegistryError where a pair has no production model to trade or compare with."""
        found = [models(self.manager, None, compare, one, by_model=by_model) for one in self.series]
        other = None
        if compare is not None and not by_model:  # or production is what trades
            with console.status("trading the production models beside it"):
                other = self._beside([its.beside for its in found])
        tester = self._portfolio(
            self.manager,
            [its.traded for its in found],
            exact=exact,
            tried=_tried(found, trials),
            beside=other,
        )
        with console.status(f"trading {len(self.series)} pairs with one portfolio"):
            report = tester.run(self.capital)
        return (other.joined(report) if other else report), tester

    def _beside(self, predictors: "Sequence[Predictor | None]") -> "Beside":
        from gal_friday_live.backtest_beside import Beside, for_a_model

        tester = self._portfolio(for_a_model(self.manager), predictors)
        return Beside.of("production models", tester.run(self.capital))

    def _portfolio(
        self,
        manager: "ConfigurationManager",
        predictors: "Sequence[Predictor | None]",
        *,
        exact: bool = False,
        tried: "Tried | None" = None,
        beside: "Beside | None" = None,
    ) -> "PortfolioBacktest":
        from gal_friday_core.strategies.registry import history_bars
        from gal_friday_live.fast_backtest import Trading
        from gal_friday_live.portfolio_backtest import PortfolioBacktest
        from gal_friday_live.recorded_replay import with_recorded
        from gal_friday_live.replay_data import stretch

        before = history_bars(manager.config)
        pairs = [
            Trading(with_recorded(manager.config, stretch(self.lake, one, *self.span, before)), predictor)
            for one, predictor in zip(self.series, predictors, strict=True)
        ]
        others = {beside.name: beside.returns} if beside else None
        return PortfolioBacktest(manager, pairs, exact=exact, tried=tried, others=others)


def _tried(found: Sequence[Any], trials: int | None) -> "Tried | None":
    """What the run was chosen from: as said, else all trials of all models, each of which was chosen from its own."""
    from gal_friday_core.tearsheet.deflation import Tried

    if trials is not None:
        return Tried(trials, None, "as --trials says")
    known = [its.tried for its in found if its.tried is not None]
    return (
        Tried(sum(int(one.count) for one in known), None, "trials of the models' searches") if known else None
    )
