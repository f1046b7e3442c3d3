"""Configuration as values: what each setting means, its unit, range and default. Reading it is live's business.

Fractions are fractions (0.01 is one per cent); money is in quote currency; times are in the unit their
name says.
"""

from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from gal_friday_core.risk.settings import RiskConfig
from gal_friday_core.section import LOOSER_UP, Fraction, PositiveMoney, Section
from gal_friday_core.strategies.settings import CostAndVolatilityConfig, StrategyConfig
class StorageConfig(Section):
    data_dir: Path | None = Field(
        None, description="Everything the product writes; the platform's data folder if unset"
    )
    database_url: SecretStr | None = Field(
        None, description="postgresql://…; the embedded PostgreSQL if unset"
    )


class MarketConfig(Section):
    exchange: str = Field("kraken", description="Venue whose public feed and history are used")
    pairs: tuple[str, ...] = Field(("BTC/USD",), min_length=1, description="Pairs to trade, as BASE/QUOTE")
    interval: Literal["1m", "5m", "15m", "30m", "1h", "4h", "1d"] = Field("1m", description="Bar length")
    websocket_url: str = Field(
        "wss://ws.kraken.com/v2", pattern="^wss?://", description="Where the live feed connects"
    )
    depth: Literal[10, 25, 100, 500, 1000] = Field(10, description="Order book levels a side")
    max_silence_s: float = Field(
        1.75, gt=0, le=60, description="A line that says nothing for so long is dead, and made anew"
    )
    max_lag_s: float = Field(
        5.0, gt=0, description="Books whose own time differs from this clock by more are stale, and not used"
    )
    max_book_age_s: float = Field(
        5.0, gt=0, description="No decision uses a book when its line was last heard longer ago"
    )


class FeaturesConfig(Section):
    """What the live engine computes. A model takes the one feature set that it was trained on."""

    sets: tuple[Literal["candles-v1", "book-v1", "candles-book-v1"], ...] = Field(
        ("candles-v1",), min_length=1, description="Feature sets published at each bar's close"
    )
    book_every_ms: int = Field(
        0,
        ge=0,
        description="Sets with a book also between bars, at most once in so many milliseconds; 0 is never",
    )


class CostsConfig(Section):
    """What a trade costs. The label, the backtest and the paper exchange all read these same numbers."""

    taker_fee: Fraction = Field(
        Decimal("0.0026"), description="Of the traded value; Kraken's entry tier by default"
    )
    maker_fee: Fraction = Field(Decimal("0.0016"), description="Of the traded value")
    slippage: Fraction = Field(Decimal("0.0005"), description="Price given up by each market order")


class BarriersConfig(Section):
    """One definition of the trade: the label is computed on it, and the strategy makes it."""

    horizon_bars: int = Field(60, ge=2, le=10_000, description="Bars after which an open trade is closed")
    target_volatility: float = Field(2.0, gt=0, description="Profit target in volatilities over the horizon")
    stop_volatility: float = Field(1.5, gt=0, description="Stop in volatilities over the horizon")
    min_width: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="Narrowest target or stop, as a fraction of the price; above the costs of a round trip",
    )
    max_width: float = Field(
        0.10, gt=0, lt=1, description="Widest target or stop, as a fraction of the price"
    )


class TrainingConfig(Section):
    trees: int = Field(150, ge=1, le=5_000, description="Boosted trees")
    depth: int = Field(3, ge=1, le=12, description="Levels of each tree")
    learning_rate: float = Field(0.05, gt=0, le=1, description="Shrinkage of each tree")
    min_child_weight: float = Field(
        100.0, ge=0, description="Least sum of second derivatives in a leaf: larger is smoother"
    )
    subsample: float = Field(0.5, gt=0, le=1, description="Share of events each tree sees")
    column_sample: float = Field(0.5, gt=0, le=1, description="Share of features each tree sees")
    threads: int = Field(
        1,
        ge=1,
        description="Part of the reproducibility contract: the same value gives the same bytes. "
        "On a busy machine more threads than free cores wait for each other and take ten times as long",
    )
    seed: int = Field(
        20_170_101,
        ge=0,
        description="Of every random choice: the same data and configuration give the same model bytes",
    )
    stride_bars: int = Field(
        5, ge=1, description="One training event every so many bars; closer where history is short"
    )
    folds: int = Field(5, ge=2, le=20, description="Walk-forward folds")
    embargo_bars: int = Field(
        60, ge=0, description="Bars left out between train and test, beyond label purging"
    )
    calibration_fraction: float = Field(
        0.2, gt=0, lt=0.5, description="Latest share of each train window, kept for calibration"
    )
    holdout_fraction: float = Field(
        0.10, gt=0, lt=0.5, description="Latest share of history that no model is trained on"
    )
    min_events: int = Field(500, ge=100, description="Fewer labelled events than this refuse to train")


class GatesConfig(Section):
    """What a model must show out of sample before it is promoted."""

    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of every interval below")
    min_log_loss_gain: float = Field(
        0.0, description="Lower bound of (base rate - model) log loss must exceed this"
    )
    min_net_profit: float = Field(0.0, description="Mean net return a trade, lower bound, must exceed this")
    min_trades: int = Field(30, ge=1, description="Out-of-sample trades below which nothing is concluded")


class PaperConfig(Section):
    initial_cash: PositiveMoney = Field(Decimal(10000), description="Quote currency at the start")


class DagsterConfig(Section):
    port: int = Field(
        3000, ge=0, le=65_535, description="Loopback port of the web server; 0 takes a free one"
    )


class LoggingConfig(Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe message that is logged"
    )


class Config(Section):
    """The whole configuration: one section a concern."""

    storage: StorageConfig = StorageConfig()
    market: MarketConfig = MarketConfig()
    features: FeaturesConfig = FeaturesConfig()
    costs: CostsConfig = CostsConfig()
    barriers: BarriersConfig = BarriersConfig()
    training: TrainingConfig = TrainingConfig()
    gates: GatesConfig = GatesConfig()
    strategy: StrategyConfig = StrategyConfig()
    cost_and_volatility: CostAndVolatilityConfig = CostAndVolatilityConfig()
    risk: RiskConfig = RiskConfig()
    paper: PaperConfig = PaperConfig()
    dagster: DagsterConfig = DagsterConfig()
    logging: LoggingConfig = LoggingConfig()
