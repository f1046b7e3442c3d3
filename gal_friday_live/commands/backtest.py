"""`gal-friday backtest`: trade stored history with what trades live, and say what it earned."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gal_friday_core.errors import ConfigError
from gal_friday_core.times import SECOND_NS
from gal_friday_live.commands.backtest_fidelity import FidelityOption, applied
from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json

if TYPE_CHECKING:
    from gal_friday_adapters.lake import CandleLake
    from gal_friday_core.candles import Series
    from gal_friday_core.predictor import Predictor
    from gal_friday_live.backtest_beside import Beside
    from gal_friday_live.backtesting import BacktestingEngine
    from gal_friday_live.commands.backtest_models import Models
    from gal_friday_live.configuration import ConfigurationManager
    from gal_friday_live.portfolio_backtest import PortfolioBacktest

HistoryOption = Annotated[
    list[Path] | None,
    typer.Option("--history", help="Trade these files instead of the stored candles.", show_default=False),
]
SeriesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--series",
        help="As VENUE:BASE-QUOTE:INTERVAL, such as kraken:BTC-USD:1m. Repeat for several with one portfolio.",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write report.json and report.html here.", show_default=False),
]


def backtest(
    history: HistoryOption = None,
    series: SeriesOption = None,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            help="As BASE/QUOTE: chooses among what is stored, and names files. Repeat for several with one portfolio.",
            show_default=False,
        ),
    ] = None,
    interval: Annotated[
        str | None, typer.Option(help="Bar length, with --pair: 1m 5m 15m 30m 1h 4h 1d.", show_default=False)
    ] = None,
    venue: Annotated[
        str | None, typer.Option(help="Exchange, with --pair: kraken by default.", show_default=False)
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="First bar, ISO 8601, UTC.", show_default=False)
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, exclusive.", show_default=False)] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="threshold, cost_and_volatility or ema_cross; the configured one by default.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="As `models list` prints it; the production model by default.", show_default=False),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="Enter at this probability, not at the model's own.", show_default=False
        ),
    ] = None,
    initial: Annotated[
        str | None,
        typer.Option(
            "--initial",
            "--cash",
            help="Cash at the start; paper.initial_cash by default.",
            show_default=False,
        ),
    ] = None,
    limits: Annotated[
        Literal["rule", "configured"] | None,
        typer.Option(
            help="rule: costs and limits that a strategy is compared under, where the configuration sets none; the "
            "default where --strategy names one that has such. configured: those that paper trading has.",
            show_default=False,
        ),
    ] = None,
    fidelity: FidelityOption = None,
    engine: Annotated[
        bool,
        typer.Option("--engine", help="Play every bar through the whole engine: slower, the same result."),
    ] = False,
    explain: Annotated[
        str | None,
        typer.Option(
            help="Why one trade happened: its number on the page, from 1, or its signal_id.",
            show_default=False,
        ),
    ] = None,
    guards: Annotated[
        bool,
        typer.Option("--guards", help="Ask every decision again with its future changed, alone, and late."),
    ] = False,
    compare: Annotated[
        str | None,
        typer.Option(
            help="A model that trades the same bars beside it: production, or as `models list` prints it. "
            "With --model, production by default.",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of how many runs this is the best, for the deflated Sharpe ratio; a model knows its own.",
            show_default=False,
        ),
    ] = None,
    self_check: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Trade no history: play so many random worlds this way and through the engine; exit code 1 where they differ.",
            show_default=False,
        ),
    ] = None,
    output: OutputOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Trade history with the modules that trade live.

    A strategy that asks a model trades the production model, or --model. ema_cross asks none:

      gal-friday backtest --history XBTUSD_1.csv --strategy ema_cross --json

    Several pairs share one cash and one set of limits:

      gal-friday backtest --pair BTC/USD --pair ETH/USD --interval 1m

    JSON has bars, trades, final_equity and bars_per_second (of the run alone, without loading and compiling), and
    the whole report.
    """
    if self_check is not None:
        from gal_friday_live.commands.backtest_self_check import play

        play(self_check, as_json=as_json)
        return
    from gal_friday_live.commands import backtest_asked as asking
    from gal_friday_live.commands.backtest_shown import document

    manager, notes = asking.settings(load_config(config), strategy, limits)
    capital = asking.cash(initial, manager)
    by_model = asking.asks_model(manager, model, threshold)
    pairs = list(dict.fromkeys(pair or ()))
    with asking.lake(history, (venue, pairs[0] if len(pairs) == 1 else None, interval), manager) as lake:
        several = asking.several(manager, lake, history, series, (venue, pairs, interval))
        span = asking.common_span(lake, several, start, end)
        manager, more_notes = applied(manager, fidelity, lake, several, span)
        asked = _Asked(model, threshold, compare, trials, by_model=by_model, guards=guards, exact=engine)
        report, tester, traded = _traded(manager, lake, several, span, capital, asked)
        more = _more(tester, explain, guards=guards)
    report["notes"] = [*notes, *more_notes, *report["notes"]]
    report |= {name: found for name, found in more.items() if name == "guards"}
    told = document(report, tester.took_s, strategy=manager.config.strategy.id, model=traded) | more
    if output is not None:
        _write(output, report, told)
    if as_json:
        print_json(told)
    else:
        _show(report, told)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was said of models and of the run, beside bars and money."""

    model: str | None
    threshold: float | None
    compare: str | None
    trials: int | None
    by_model: bool
    guards: bool
    exact: bool


def _traded(
    manager: "ConfigurationManager",
    lake: "CandleLake",
    several: "list[Series]",
    span: tuple[int, int],
    capital: Decimal,
    asked: _Asked,
) -> "tuple[dict[str, Any], BacktestingEngine | PortfolioBacktest, Predictor | None]":
    """The report, who made it, and the model that traded, where it was one."""
    if len(several) > 1:
        from gal_friday_live.commands.backtest_together import Together, require_fitting

        said = {"--model": asked.model, "--threshold": asked.threshold, "--guards": asked.guards}
        require_fitting(len(several), said, asked.compare)
        together = Together(manager, lake, several, span, capital)
        options = {"by_model": asked.by_model, "exact": asked.exact}
        return *together.trade(asked.compare, asked.trials, **options), None
    from gal_friday_live.commands.backtest_models import models as models_of

    models = models_of(manager, asked.model, asked.compare, several[0], by_model=asked.by_model)
    run = _Run(manager, lake, several[0], span, capital)
    report, tester = run.trade(models, asked.threshold, asked.trials, exact=asked.exact)
    return report, tester, models.traded


@dataclass(frozen=True, slots=True)
class _Run:
    """Bars of `series` that open in `span`, traded from `capital` on."""

    manager: "ConfigurationManager"
    lake: "CandleLake"
    series: "Series"
    span: tuple[int, int]
    capital: Decimal

    def trade(
        self, models: "Models", threshold: float | None, trials: int | None, *, exact: bool
    ) -> tuple[dict[str, Any], "BacktestingEngine"]:
        """The report, and who made it."""
        from gal_friday_core.tearsheet.deflation import Tried
        from gal_friday_live.backtesting import BacktestingEngine
        from gal_friday_live.prediction_service import ModelOverride

        override, predictor = None, models.traded
        if threshold is not None and predictor is not None:
            override = ModelOverride(predictor.model_id, "threshold given on the command line", threshold)
        other = self._beside(models.beside)
        tester = BacktestingEngine(
            self.manager, lake=self.lake, predictor=predictor, series=self.series, override=override, exact=exact,
            tried=models.tried if trials is None else Tried(trials, None, "as --trials says"),
            others={other.name: other.returns} if other else None,
        )  # fmt: skip
        with console.status(f"trading {self.series.key}"):
            report = tester.run_backtest(*self._dates(), self.capital)
        return (other.joined(report) if other else report), tester

    def _beside(self, predictor: "Predictor | None") -> "Beside | None":
        """What another model earns on the same bars."""
        from gal_friday_live.backtest_beside import beside

        if predictor is None:
            return None
        if predictor.metadata.series != self.series.key:
            raise ConfigError(
                f"{predictor.model_id} was trained for {predictor.metadata.series}: compare {self.series.key} with "
                "a model of its own"
            )
        with console.status(f"trading {predictor.model_id} beside it"):
            return beside(self.manager, self.lake, predictor, self._dates(), self.capital)

    def _dates(self) -> tuple[datetime, datetime]:
        start, end = (datetime.fromtimestamp(moment / SECOND_NS, UTC) for moment in self.span)
        return start, end


def _more(
    tester: "BacktestingEngine | PortfolioBacktest", explain: str | None, *, guards: bool
) -> dict[str, Any]:
    """What was asked for beyond the report."""
    from gal_friday_live.portfolio_backtest import PortfolioBacktest

    found = {}
    if explain is not None:
        found["explained"] = tester.explain(explain)
    if guards and not isinstance(tester, PortfolioBacktest):
        with console.status("asking every decision again"):
            found["guards"] = tester.guard().to_dict()
    return found


def _show(report: dict[str, Any], told: dict[str, Any]) -> None:
    from gal_friday_live.commands.backtest_shown import pairs_table, table
    from gal_friday_live.commands.backtest_told import explanation_table, guards_table

    console.print(table(report, told))
    if isinstance(report["series"], list):
        console.print(pairs_table(report))
    if "guards" in told:
        console.print(guards_table(told["guards"]))
    if "explained" in told:
        console.print(explanation_table(told["explained"]))
    for note in report["notes"]:
        console.print(f"[yellow]{note}[/]")


def _write(folder: Path, report: dict[str, Any], told: dict[str, Any]) -> None:
    import msgspec

    from gal_friday_adapters.report_page import render

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1))
    (folder / "report.html").write_text(render(report), encoding="utf-8")
    console.print(f"Wrote {folder / 'report.html'} and report.json beside it.")
