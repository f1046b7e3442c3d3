"""Configuration as values: what each setting means, its unit, range and default. Reading it is live's business.

Fractions are fractions (0.01 is one per cent); money is in quote currency; times are in the unit their
name says.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, JsonValue, SecretStr, field_validator, model_validator

from gal_friday_core.alert_settings import AlertsConfig
from gal_friday_core.dagster_settings import DagsterConfig
from gal_friday_core.dashboard_settings import DashboardConfig
from gal_friday_core.data_settings import HistoryConfig, LabelsConfig
from gal_friday_core.drift.settings import DriftConfig
from gal_friday_core.extensions.offers import unknown
from gal_friday_core.fidelity_settings import FidelityConfig, cheaper_than_paid
from gal_friday_core.performance_settings import PerformanceConfig
from gal_friday_core.retraining.settings import RetrainingConfig
from gal_friday_core.risk.settings import RiskConfig
from gal_friday_core.section import LOOSER_DOWN, LOOSER_UP, Fraction, PositiveMoney, Section
from gal_friday_core.storage_settings import ObjectStoreConfig, StorageConfig
from gal_friday_core.strands.settings import ModuleCommunicationConfig
from gal_friday_core.strategies.settings import (
    CostAndVolatilityConfig,
    EmaCrossConfig,
    StrategyConfig,
    contradiction,
)
from gal_friday_core.training_settings import TrainingConfig

__all__ = [
    "AlertsConfig", "CostAndVolatilityConfig", "DagsterConfig", "DriftConfig", "EmaCrossConfig", "FidelityConfig", "Fraction", "HistoryConfig", "LabelsConfig", "ObjectStoreConfig", "PositiveMoney", "RetrainingConfig", "RiskConfig", "Section",
    "StorageConfig", "StrategyConfig", "TrainingConfig",
]  # fmt: skip
"""What is defined elsewhere and found here too."""


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
        5.0,
        gt=0,
        json_schema_extra=LOOSER_UP,
        description="Books whose own time differs from this clock by more are stale, and not used",
    )
    max_book_age_s: float = Field(
        5.0,
        gt=0,
        json_schema_extra=LOOSER_UP,
        description="No decision uses a book when its line was last heard longer ago",
    )


class ExchangeConfig(Section):
    """Where orders are sent, and how. A dead man's switch cancels protective stops with everything else."""

    account: str = Field(
        "main",
        pattern=r"^[\w.-]{1,64}$",
        description="Your name for the account: halts and orders are kept under it",
    )
    rest_url: str = Field("https://api.kraken.com", pattern="^https?://", description="Kraken's REST")
    private_websocket_url: str = Field(
        "wss://ws-auth.kraken.com/v2", pattern="^wss?://", description="Kraken's private websocket"
    )
    tier: Literal["starter", "intermediate", "pro"] = Field(
        "starter", description="Verification tier of the account, which sets its rate limits"
    )
    order_deadline_s: float = Field(
        5.0, ge=0.5, le=60, description="An order that reaches the engine later than this is not matched"
    )
    rest_timeout_s: float = Field(10.0, gt=0, le=60, description="A REST call without an answer is given up")
    dead_man_switch: Literal["entries", "always", "never"] = Field(
        "entries",
        description="In live mode: set while entries may stand, for as long as the engine runs, or not",
    )
    dead_man_switch_s: int = Field(
        60, ge=15, lt=86_400, description="All orders are cancelled so long after the last sign of life"
    )


class FeaturesConfig(Section):
    """What the live engine computes. A model takes the one feature set that it was trained on."""

    sets: tuple[str, ...] = Field(
        ("candles-v1",),
        min_length=1,
        description="Feature sets published at each bar's close: candles-v1, book-v1, candles-book-v1, and those of "
        "installed packages",
    )
    book_every_ms: int = Field(
        0,
        ge=0,
        description="Sets with a book also between bars, at most once in so many milliseconds; 0 is never",
    )

    @field_validator("sets")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if problem := unknown("feature-set", name, "features.sets"):
                raise ValueError(problem)
        return value


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


class GatesConfig(Section):
    """What a model must show out of sample before it is promoted."""

    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of every interval below")
    min_log_loss_gain: float = Field(
        0.0, description="Lower bound of (base rate - model) log loss must exceed this"
    )
    min_net_profit: float = Field(0.0, description="Mean net return a trade, lower bound, must exceed this")
    min_trades: int = Field(30, ge=1, description="Out-of-sample trades below which nothing is concluded")
    min_gain_on_production: float = Field(
        0.0,
        description="Lower bound of (production model's - model's) log loss on the holdout must exceed this",
    )
    min_psr: float = Field(
        0.95, gt=0, lt=1, description="Probability that the daily Sharpe ratio is positive"
    )
    min_dsr: float = Field(
        0.95, gt=0, lt=1, description="The same, after what luck gives the best of all trials"
    )
    max_pbo: float = Field(0.2, gt=0, lt=1, description="Probability that choosing among trials overfitted")
    min_stressed_profit: float = Field(
        0.0, description="Mean net return a trade must exceed this with costs doubled, and one bar late"
    )
    max_calibration_error: float = Field(
        0.05, gt=0, lt=1, description="Mean distance between said and seen probabilities"
    )
    max_feature_auc: float = Field(
        0.75,
        gt=0.5,
        le=1,
        description="A single feature that tells the outcome this well is taken for a leak",
    )
    max_missing_share: float = Field(
        0.25, ge=0, lt=1, description="Bars without a candle, of all that were learnt from"
    )


class ValidationConfig(Section):
    """How much is tried to find out whether a model is as good as it looks."""

    groups: int = Field(
        6, ge=2, le=16, description="Stretches of time for combinatorial purged cross-validation"
    )
    tested_groups: int = Field(
        2, ge=0, le=8, description="Of them tested together, in every combination; 0 leaves it out"
    )
    max_events: int = Field(
        10_000, ge=100, description="Events for it, evenly spread; a history with more is thinned"
    )
    canary_rows: int = Field(
        24, ge=1, description="Feature rows that are computed again from candles cut off at their time"
    )
    explained_rows: int = Field(
        500, ge=1, description="Tested events whose predictions are explained by feature"
    )
    replayed_bars: int = Field(
        2_000, ge=1, description="Latest bars that are replayed as live, bar by bar, before certification"
    )


class PaperConfig(Section):
    initial_cash: PositiveMoney = Field(Decimal(10000), description="Quote currency at the start")


class LoggingConfig(Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe message that is logged"
    )
    destinations: tuple[Literal["console", "files", "database"], ...] = Field(
        ("console", "files", "database"), description="Where the engine's log lines go"
    )
    queue: int = Field(
        20_000,
        ge=100,
        description="Lines that may wait for each destination; further ones are lost and counted",
    )
    file_mib: int = Field(32, ge=1, description="A log file is turned over at this size, in MiB")
    files_kept: int = Field(8, ge=0, le=100, description="Older log files beside the present one")
    keep_days: int = Field(30, ge=1, description="Days that log lines stay in the database")


class TimeSeriesConfig(Section):
    url: str | None = Field(
        None, pattern="^https?://", description="InfluxDB, or what takes its version 2 writes; none if unset"
    )
    org: str = Field("gal-friday", description="Organisation there")
    bucket: str = Field("gal_friday", min_length=1, description="Bucket there")
    token: SecretStr | None = Field(None, description="May write to the bucket")
    every_s: float = Field(10.0, gt=0, le=3600, description="Seconds between two measurements")
    queue: int = Field(50_000, ge=100, description="Points that may wait; further ones are lost and counted")
    timeout_s: float = Field(2.0, gt=0, le=60, description="A write that takes longer is tried again")


class MonitoringConfig(Section):
    """When an engine is too unwell to trade. Beyond a `halt_` limit it halts, and somebody must let it resume."""

    every_s: float = Field(1.0, gt=0, le=60, description="Seconds between two looks at everything below")
    recover_after_s: float = Field(
        5.0,
        ge=0,
        json_schema_extra=LOOSER_DOWN,
        description="What kept entries back must be well for so long before they pass again",
    )
    loop_lag_s: float = Field(
        0.25,
        gt=0,
        json_schema_extra=LOOSER_UP,
        description="No entries while the engine answers later than this",
    )
    clock_offset_s: float = Field(
        1.0,
        gt=0,
        json_schema_extra=LOOSER_UP,
        description="No entries while this machine's clock and the exchange's differ by more",
    )
    halt_clock_offset_s: float = Field(
        10.0, gt=0, json_schema_extra=LOOSER_UP, description="Halt beyond this difference of the clocks"
    )
    database_silence_s: float = Field(
        2.0,
        gt=0,
        json_schema_extra=LOOSER_UP,
        description="No entries while the database is silent for longer",
    )
    halt_database_silence_s: float = Field(
        15.0, gt=0, json_schema_extra=LOOSER_UP, description="Halt when the database is silent for longer"
    )
    line_down_s: float = Field(
        300.0,
        gt=0,
        json_schema_extra=LOOSER_UP,
        description="Halt when the market or the account was out of reach longer",
    )
    min_disk_mb: int = Field(
        512, ge=0, json_schema_extra=LOOSER_DOWN, description="No entries with less free disk"
    )
    halt_disk_mb: int = Field(
        128, ge=0, json_schema_extra=LOOSER_DOWN, description="Halt with less free disk"
    )
    max_memory_mb: int = Field(
        2_048, ge=64, json_schema_extra=LOOSER_UP, description="No entries while the engine holds more memory"
    )
    halt_memory_mb: int = Field(
        4_096, ge=64, json_schema_extra=LOOSER_UP, description="Halt when the engine holds more memory"
    )


class ReconciliationConfig(Section):
    """When our books are compared with the exchange's, and what may be corrected without asking."""

    every_minutes: int = Field(5, ge=1, le=1_440, description="Minutes between two comparisons")
    readings: int = Field(
        5, ge=2, le=50, description="Times the account is read before a difference that stays is told"
    )
    pause_s: float = Field(
        2.0, ge=0, le=60, description="Seconds between two readings, for what is on its way"
    )
    confirmations: int = Field(
        3, ge=2, le=50, description="Readings in which a balance must differ the same way to be believed"
    )
    retry_s: float = Field(
        15.0, gt=0, description="Seconds until the next try after one that did not end clean"
    )
    lookback_s: float = Field(
        600.0, ge=0, description="Fills and flows are read again this far back from the last clean comparison"
    )
    order_margin_s: float = Field(
        15.0, ge=0, description="An order with news younger than this may be missing in the exchange's lists"
    )
    audit_days: int = Field(
        7, ge=1, le=90, description="An audit compares the fills and flows of so many days, one by one"
    )
    other_assets: tuple[str, ...] = Field(
        (), description="Assets of the account that nobody trades here, and that an audit need not tell of"
    )
    adjust_below: Decimal = Field(
        Decimal(1),
        ge=0,
        json_schema_extra=LOOSER_UP,
        description="A balance that differs by less than this value is booked as an adjustment; above it trading halts",
    )
    adjust_daily: Decimal = Field(
        Decimal(5),
        ge=0,
        json_schema_extra=LOOSER_UP,
        description="Value of all adjustments of one UTC day, at most",
    )


class Config(Section):
    """The whole configuration: one section a concern, and the one word that real money asks for."""

    mode: Literal["paper", "live"] = Field(
        "paper",
        description="live permits real orders, together with --i-understand-real-money and exchange keys",
    )
    extensions: Mapping[str, Mapping[str, JsonValue]] = Field(
        {},
        description="Parameters of what installed packages add, by its name: its package says which there are",
    )
    storage: StorageConfig = StorageConfig()
    object_store: ObjectStoreConfig = ObjectStoreConfig()
    market: MarketConfig = MarketConfig()
    exchange: ExchangeConfig = ExchangeConfig()
    history: HistoryConfig = HistoryConfig()
    features: FeaturesConfig = FeaturesConfig()
    costs: CostsConfig = CostsConfig()
    fidelity: FidelityConfig = FidelityConfig()
    barriers: BarriersConfig = BarriersConfig()
    labels: LabelsConfig = LabelsConfig()
    training: TrainingConfig = TrainingConfig()
    validation: ValidationConfig = ValidationConfig()
    gates: GatesConfig = GatesConfig()
    strategy: StrategyConfig = StrategyConfig()
    cost_and_volatility: CostAndVolatilityConfig = CostAndVolatilityConfig()
    ema_cross: EmaCrossConfig = EmaCrossConfig()
    risk: RiskConfig = RiskConfig()
    paper: PaperConfig = PaperConfig()
    dagster: DagsterConfig = DagsterConfig()
    dashboard: DashboardConfig = DashboardConfig()
    performance: PerformanceConfig = PerformanceConfig()
    logging: LoggingConfig = LoggingConfig()
    timeseries: TimeSeriesConfig = TimeSeriesConfig()
    monitoring: MonitoringConfig = MonitoringConfig()
    alerts: AlertsConfig = AlertsConfig()
    reconciliation: ReconciliationConfig = ReconciliationConfig()
    drift: DriftConfig = DriftConfig()
    retraining: RetrainingConfig = RetrainingConfig()
    module_communication: ModuleCommunicationConfig = ModuleCommunicationConfig()

    @model_validator(mode="after")
    def _trades_what_it_can(self) -> Self:
        reason = contradiction(self.strategy.id, label_set=self.labels.set, sizing=self.risk.sizing)
        reason = reason or self._untraded()
        if reason:
            raise ValueError(reason)
        return self

    def _untraded(self) -> str:
        """Why what would be trained could not be traded; empty where it can."""
        learnt = self.training.feature_set
        if learnt == "candles-v1" or learnt in self.features.sets:
            return ""
        return f"training.feature_set {learnt} must be among features.sets: a model is served what it was trained on"

    @model_validator(mode="after")
    def _reckons_with_what_is_paid(self) -> Self:
        reason = cheaper_than_paid(self.fidelity, self.costs.maker_fee, self.costs.taker_fee)
        if reason:
            raise ValueError(reason)
        return self
