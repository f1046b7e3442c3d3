"""What each event says: one frozen struct per event of the specification (000 §3, 003, and their errata).

Inside, money is Decimal, features are float64 and times are int nanoseconds (`Nanoseconds`); how each
looks in JSON is `events`' business. Fields beyond the specification are the errata's additions.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from gal_friday_core.features.schema import FeatureVector

Nanoseconds = Annotated[int, msgspec.Meta(description="UTC time; ISO 8601 with nine digits in JSON")]
Side = Literal["BUY", "SELL"]
OrderType = Literal[
    "MARKET", "LIMIT", "STOP_LOSS", "TAKE_PROFIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT",
    "TRAILING_STOP", "TRAILING_STOP_LIMIT", "ICEBERG",
]  # fmt: skip
OrderStatus = Literal[
    "PENDING_NEW", "NEW", "PARTIALLY_FILLED", "FILLED", "PENDING_CANCEL",
    "CANCELED", "REJECTED", "EXPIRED", "ERROR", "UNKNOWN",
]  # fmt: skip


class Payload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an event says."""


class MarketDataL2(Payload, frozen=True):
    """Levels are (price, volume), best first; a zero volume in an update deletes the level."""

    trading_pair: str
    exchange: str
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    is_snapshot: bool
    timestamp_exchange: Nanoseconds | None = None
    checksum: int | None = None
    depth: int | None = None
    sequence: int | None = None
    timestamp_received: Nanoseconds | None = None


class MarketDataOHLCV(Payload, frozen=True):
    """One bar. A running bar has `closed=False` and is never used as final."""

    trading_pair: str
    exchange: str
    interval: str
    timestamp_bar_start: Nanoseconds
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: bool = True
    trades: int = -1


class MarketDataTrade(Payload, frozen=True):
    """One public trade; `side` is the taker's."""

    trading_pair: str
    exchange: str
    trade_id: str
    side: Side
    price: Decimal
    volume: Decimal
    timestamp_exchange: Nanoseconds


class FeaturesCalculated(Payload, frozen=True):
    """`timestamp_features_for` is the close of the bar, or the time of the update, that they describe."""

    trading_pair: str
    exchange: str
    timestamp_features_for: Nanoseconds
    features: FeatureVector
    reference_price: Decimal


class PredictionGenerated(Payload, frozen=True):
    """`prediction_value` is a calibrated probability in [0, 1] of what `prediction_target` names."""

    trading_pair: str
    exchange: str
    timestamp_prediction_for: Nanoseconds
    model_id: str
    prediction_target: str
    prediction_value: float
    confidence: float | None = None
    associated_features: FeatureVector | None = None
    reference_price: Decimal | None = None


class TradeSignalProposed(Payload, frozen=True):
    """An exit (side SELL) needs no stop or target."""

    trading_pair: str
    exchange: str
    signal_id: str
    side: Side
    entry_type: Literal["MARKET", "LIMIT"]
    strategy_id: str
    reference_price: Decimal
    data_timestamp: Nanoseconds
    expires_at: Nanoseconds
    proposed_entry_price: Decimal | None = None
    proposed_sl_price: Decimal | None = None
    proposed_tp_price: Decimal | None = None
    triggering_prediction: PredictionGenerated | None = None


class TradeSignalApproved(Payload, frozen=True):
    """`quantity` in base units; `risk_parameters` the checks passed, as text."""

    signal_id: str
    trading_pair: str
    exchange: str
    side: Side
    order_type: Literal["MARKET", "LIMIT"]
    quantity: Decimal
    risk_parameters: dict[str, Any]
    reference_price: Decimal
    data_timestamp: Nanoseconds
    expires_at: Nanoseconds
    limit_price: Decimal | None = None
    sl_price: Decimal | None = None
    tp_price: Decimal | None = None


class TradeSignalRejected(Payload, frozen=True):
    """`reason` is a code such as EXCEEDS_MAX_EXPOSURE; `details` the numbers behind it."""

    signal_id: str
    trading_pair: str
    exchange: str
    side: Side
    reason: str
    details: dict[str, str] = {}


class ExecutionReport(Payload, frozen=True):
    """State of one order. `execution_id`, `last_quantity`, `last_price` and `commission` say the last fill.

    `commission` is of this fill alone, in `commission_asset`; quantities in base units, cumulative
    unless named `last_`. `last_cost` is the value that the exchange booked for the fill, in quote currency;
    where it does not say, the product of quantity and price.
    """

    signal_id: str
    client_order_id: str
    trading_pair: str
    exchange: str
    order_status: OrderStatus
    order_type: OrderType
    side: Side
    quantity_ordered: Decimal
    quantity_filled: Decimal
    timestamp_exchange: Nanoseconds
    exchange_order_id: str | None = None
    average_fill_price: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    commission: Decimal | None = None
    commission_asset: str | None = None
    error_message: str | None = None
    execution_id: str | None = None
    last_quantity: Decimal | None = None
    last_price: Decimal | None = None
    last_cost: Decimal | None = None


class LogEntry(Payload, frozen=True):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    message: str
    context: dict[str, Any] | None = None


class SystemStateChange(Payload, frozen=True):
    new_state: Literal["RUNNING", "REDUCING", "HALTED", "DEGRADED"]
    reason: str
    halt_action: Literal["CANCEL_ENTRIES", "MAINTAIN_POSITIONS", "LIQUIDATE_POSITIONS"] | None = None


class ModelLifecycle(Payload, frozen=True):
    model_id: str
    action: str
    stage: str
    version: str
    metadata: dict[str, Any]
    previous_stage: str | None = None


class Experiment(Payload, frozen=True):
    experiment_id: str
    action: str
    variants: tuple[dict[str, Any], ...]
    traffic_split: dict[str, float]
    result: dict[str, Any] | None = None
    statistical_significance: float | None = None


class DriftDetection(Payload, frozen=True):
    model_id: str
    drift_type: Literal["DATA_DRIFT", "CONCEPT_DRIFT", "PREDICTION_DRIFT", "PERFORMANCE_DRIFT"]
    severity: Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]
    confidence: float
    metrics: dict[str, Any]
    recommendation: str
    threshold_exceeded: bool


class Reconciliation(Payload, frozen=True):
    reconciliation_type: str
    status: str
    discrepancies: tuple[dict[str, Any], ...]
    internal_state: dict[str, Any]
    exchange_state: dict[str, Any]
    resolution_actions: tuple[dict[str, Any], ...] | None = None


class PerformanceOptimization(Payload, frozen=True):
    optimization_type: str
    action: str
    metrics_before: dict[str, Any]
    optimization_details: dict[str, Any]
    metrics_after: dict[str, Any] | None = None
    improvement_percentage: float | None = None


class PotentialHaltTrigger(Payload, frozen=True):
    reason: str
    source: str
    details: dict[str, str] = {}


class SystemError(Payload, frozen=True):  # noqa: A001 - the name that 003 gives it
    error_type: str
    message: str
    component: str
    event_id: str | None = None


PAYLOADS: dict[str, type[Payload]] = {
    "MARKET_DATA_L2": MarketDataL2,
    "MARKET_DATA_OHLCV": MarketDataOHLCV,
    "MARKET_DATA_TRADE": MarketDataTrade,
    "FEATURES_CALCULATED": FeaturesCalculated,
    "PREDICTION_GENERATED": PredictionGenerated,
    "TRADE_SIGNAL_PROPOSED": TradeSignalProposed,
    "TRADE_SIGNAL_APPROVED": TradeSignalApproved,
    "TRADE_SIGNAL_REJECTED": TradeSignalRejected,
    "EXECUTION_REPORT": ExecutionReport,
    "LOG_ENTRY": LogEntry,
    "SYSTEM_STATE_CHANGE": SystemStateChange,
    "MODEL_LIFECYCLE": ModelLifecycle,
    "EXPERIMENT": Experiment,
    "DRIFT_DETECTION": DriftDetection,
    "RECONCILIATION": Reconciliation,
    "PERFORMANCE_OPTIMIZATION": PerformanceOptimization,
    "POTENTIAL_HALT_TRIGGER": PotentialHaltTrigger,
    "SYSTEM_ERROR": SystemError,
}
"""Every event type of the contract, with what it carries."""
