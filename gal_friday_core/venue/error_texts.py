"""The exchange's refusals, in its own words: `<severity><category>:<text>[:<detail>]`.

Texts from KRAKEN_PROTOCOL §5. Those marked U there, or absent, are said to be so beside the name.
"""

INVALID_ARGUMENTS = "EGeneral:Invalid arguments"
UNKNOWN_PAIR = "EQuery:Unknown asset pair"
INVALID_PRICE = "EOrder:Invalid price"
TICK_SIZE = "EOrder:Tick size check failed"
ORDER_MINIMUM = "EOrder:Order minimum not met"
COST_MINIMUM = "EOrder:Cost minimum not met"
INSUFFICIENT_FUNDS = "EOrder:Insufficient funds"
UNKNOWN_ORDER = "EOrder:Unknown order"
POST_ONLY = "EOrder:Post only order"
ORDERS_LIMIT = "EOrder:Orders limit exceeded"
ENGINE_RATE_LIMIT = "EOrder:Rate limit exceeded"
REST_RATE_LIMIT = "EAPI:Rate limit exceeded"
DEADLINE_ELAPSED = "EService:Deadline elapsed"
UNAVAILABLE = "EService:Unavailable"
NO_MARGIN = "EOrder:Trading agreement required"
"""What an account without a margin agreement hears: this venue lends nothing."""
NO_POSITION = "EOrder:Reduce only:No position exists"
"""The sheet gives `Reduce only:*`; the detail is ours."""


def invalid(argument: str) -> str:
    """A refusal that names the argument.

    >>> invalid("volume")
    'EGeneral:Invalid arguments:volume'
    """
    return f"{INVALID_ARGUMENTS}:{argument}"


def market_in(mode: str) -> str:
    """What a market that takes less than everything says.

    >>> market_in("post_only")
    'EService:Market in post_only mode'
    """
    return f"EService:Market in {mode} mode"
