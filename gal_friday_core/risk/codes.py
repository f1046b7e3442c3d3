"""Why a signal or an order is refused: every code with its meaning, and the numbers that go with a refusal."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from gal_friday_core.reservations import Reservation

CODES: dict[str, str] = {
    # Whether anything may be bought now.
    "HALTED": "Trading is halted; only orders that reduce are taken.",
    "REDUCING": "The engine only reduces its positions.",
    "RECONCILING": "The account is being compared with the exchange's.",
    "EXCHANGE_DISCONNECTED": "The private line to the exchange is down.",
    "LEASE_LOST": "Another engine may hold this account.",
    "TRADER_HALTED": "The trader of this account is halted: it sends nothing that adds to a position.",
    "DECISION_HALTED": "The decision maker of this account is halted: it approves nothing that adds to a position.",
    "ORDER_UNKNOWN": "The fate of an earlier order of the pair is not known.",
    "UNPROTECTED": "A position of the pair has no stop on the exchange yet.",
    "NOT_WARM": "The engine is still warming up.",
    "CLOCK_OFFSET": "This clock and the exchange's differ too much.",
    "CLOCK_UNKNOWN": "The exchange has not told its time yet, so nothing says whether this clock is right.",
    "STORAGE_DOWN": "The journal cannot be written.",
    "DISK_FULL": "The disk is full: nothing can be journalled.",
    "LOOP_LAG": "The engine answers later than monitoring.loop_lag_s.",
    "MEMORY": "The engine holds more memory than monitoring.max_memory_mb.",
    "MARKET_DATA_UNVERIFIED": "The pair's market is not known: no line, no verified book, or a stale one.",
    "PAIR_NOT_ONLINE": "The exchange does not take this kind of order for the pair at present.",
    "MODEL_NOT_PROMOTED": "The model that predicted is not in production, and no override names it.",
    "MODEL_RESTRICTED": "The model drifted: it is scored and not traded until a release, or a newly promoted one.",
    # The signal itself.
    "UNKNOWN_PAIR": "The engine does not trade this pair.",
    "STALE_SIGNAL": "The signal expired before it was checked.",
    "DUPLICATE_SIGNAL": "The signal was approved before.",
    "DUPLICATE_ORDER": "The same buy was approved a moment ago.",
    "MISSING_STOP": "A buy needs a stop to be sized by and protected with.",
    "INVALID_PROTECTION": "The stop is not below the entry, or the target not above it.",
    "NO_SHORTS": "Spot, long only: what is not held cannot be sold, and nothing is borrowed.",
    "NOTHING_TO_SELL": "Nothing is held that other sells have not taken already.",
    # How it has gone so far.
    "DAILY_DRAWDOWN_LIMIT_HIT": "Equity lost since 00:00 UTC is beyond risk.max_daily_drawdown.",
    "WEEKLY_DRAWDOWN_LIMIT_HIT": "Equity lost since Monday 00:00 UTC is beyond risk.max_weekly_drawdown.",
    "TOTAL_DRAWDOWN_LIMIT_HIT": "Equity lost since its highest ever is beyond risk.max_total_drawdown.",
    "LOSS_STREAK_PAUSE": "risk.max_losses_in_a_row trades lost one after the other: a pause of risk.loss_pause_s.",
    "FEE_BUDGET_SPENT": "Fees since 00:00 UTC, with this trade's, are beyond risk.max_daily_fees.",
    "TOO_MANY_OPEN_ORDERS": "As many orders as risk.max_open_orders are open, in flight or unknown.",
    "ORDER_RATE_EXCEEDED": "As many orders as risk.max_orders_per_minute were approved within a minute.",
    # The market it would trade in.
    "SPREAD_TOO_WIDE": "The spread is beyond risk.max_spread.",
    "PRICE_COLLAR": "The price is further from the middle of the book than risk.max_price_deviation.",
    "EXCEEDS_MAX_SLIPPAGE": "Walked through the book, the order pays more than risk.max_slippage.",
    "INSUFFICIENT_DEPTH": "risk.max_depth_share of the book is less than the smallest order.",
    "VOLATILITY_UNKNOWN": "volatility_scaled sizing needs the feature volatility_60.",
    # Its size.
    "EXCEEDS_MAX_EXPOSURE": "No room below risk.max_pair_exposure or risk.max_total_exposure (`scope` says which).",
    "EXCEEDS_CORRELATED_EXPOSURE": "No room below risk.max_correlated_exposure.",
    "EXCEEDS_MAX_ORDER_VALUE": "risk.max_order_value is below the smallest order.",
    "INSUFFICIENT_FUNDS": "Free cash does not pay for it; margin is not used.",
    "BELOW_MINIMUM": "Smaller than the exchange or risk.min_order_value takes.",
    # An order as it is to be sent.
    "PRICE_PRECISION": "A price is not on the pair's tick.",
    "QUANTITY_PRECISION": "The quantity is not on the pair's lot.",
    "EXCEEDS_MAX_QUANTITY": "More than the exchange takes in one order.",
    "MISSING_PRICE": "The order type needs a limit, a trigger or an offset that is not there.",
    "MISSING_EXPIRY": "A GTD order says when it ends.",
    "EXPIRED": "The order's end or deadline has passed.",
    "UNSUPPORTED_ORDER_TYPE": "The exchange does not take this order type.",
    "UNSUPPORTED_TIME_IN_FORCE": "This time in force does not go with this order.",
    "POST_ONLY_MARKET": "Only an order that rests at a limit can be post-only.",
    "INVALID_CLIENT_ORDER_ID": "The client order id is not a UUID, or one of at most 18 characters.",
    "DUPLICATE_CLIENT_ORDER_ID": "An order with this id exists already.",
    "REDUCE_ONLY_WOULD_INCREASE": "An order that only reduces would sell more than is held, or buy.",
    "CUMULATIVE_FUNDS": "The orders of the list together cost more than is free.",
    "LIST_INCOMPLETE": "The list is empty, mixes pairs, or lacks an order that another one names.",
    "LIST_DENIED": "Another order of the same list was refused, so none is sent.",
}  # fmt: skip
"""The `reason` of TRADE_SIGNAL_REJECTED, and of an order that was refused before it was sent."""


RULE = "RULE_"
"""Begin of the codes of rules of installed packages."""


def meaning(code: str) -> str:
    """What a refusal by this code means; empty for what is none.

    >>> meaning("RULE_NIGHT_WATCH")
    'The risk rule of an installed package, night-watch, let it not pass.'
    """
    rule = code.removeprefix(RULE).lower().replace("_", "-")
    by_rule = f"The risk rule of an installed package, {rule}, let it not pass."
    return by_rule if code.startswith(RULE) else CODES.get(code, "")


class Approved(msgspec.Struct, frozen=True, gc=False):
    """`quantity` in base units, on the lot; `checks` the numbers behind it; `reservation` to be held."""

    quantity: Decimal
    reservation: Reservation
    checks: dict[str, str]


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """`details` says what was compared, as text: `limit`, `value`, by how much it is `over`, and what explains them."""

    code: str
    details: Mapping[str, str]


def refuse(code: str, limit: Decimal, value: Decimal, **more: str) -> Rejected:
    """A refusal with numbers; `over` is the distance between them, whichever way it is too far.

    >>> refuse("BELOW_MINIMUM", Decimal(5), Decimal("4.5")).details
    {'limit': '5', 'value': '4.5', 'over': '0.5'}
    """
    over = abs(value - limit)
    return Rejected(code, {"limit": _plain(limit), "value": _plain(value), "over": _plain(over), **more})


def told(refusal: Rejected) -> str:
    """The numbers of a refusal in one line.

    >>> told(refuse("BELOW_MINIMUM", Decimal(5), Decimal("4.5")))
    'limit 5, value 4.5, over 0.5'
    """
    return ", ".join(f"{name} {value}" for name, value in refusal.details.items())


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def refuse_measured(code: str, limit: float, value: float, **more: str) -> Rejected:
    """The same for a measured quantity, shown to nine digits."""
    return refuse(code, Decimal(f"{limit:.9g}"), Decimal(f"{value:.9g}"), **more)
