"""What each of Kraken's errors means: our code for it, and what may be done about it. Entry point: `refusal`.

Texts by KRAKEN_PROTOCOL §5, `<severity><category>:<text>[:<detail>]`. What is not listed counts as refused where
the order desk says it (`EOrder:…`), and as an unknown outcome where something else failed: nothing is guessed.
"""

from typing import Literal

import msgspec

Kind = Literal[
    "REFUSED", "GONE", "RATE_LIMIT", "MARKET_STATUS", "NONCE", "SESSION", "AUTH", "LOCKOUT",
    "UNREACHABLE", "UNKNOWN_OUTCOME",
]  # fmt: skip
"""REFUSED: not done, and not to be asked again as it is. GONE: the order is not open, whatever became of it.
RATE_LIMIT: not done, later perhaps. MARKET_STATUS: the market takes only some actions now. NONCE: this copy of the
request was not done. SESSION: the websocket token is worn out. AUTH: key, signature or permission. LOCKOUT: stop
asking, for minutes. UNREACHABLE: never sent. UNKNOWN_OUTCOME: a read may be repeated; of a change nobody knows
whether it was made."""

READABLE_AGAIN: frozenset[Kind] = frozenset({"RATE_LIMIT", "NONCE", "UNREACHABLE", "UNKNOWN_OUTCOME"})
"""After these a request that changes nothing may be repeated, some time later."""


class Refusal(msgspec.Struct, frozen=True):
    """One error of the exchange. `text` is its own; `detail` what followed the known part, such as a field's name."""

    code: str
    kind: Kind
    text: str
    detail: str = ""

    @property
    def certain(self) -> bool:
        """Whether a change that was answered so was certainly not made.

        A worn nonce may mean that something on the way delivered the request twice, and that the first was carried out.
        """
        return self.kind not in {"UNKNOWN_OUTCOME", "NONCE"}

    @property
    def retry_read(self) -> bool:
        return self.kind in READABLE_AGAIN

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]"


_MEANINGS: dict[Kind, dict[str, str]] = {
    "NONCE": {"EAPI:Invalid nonce": "NONCE"},
    "RATE_LIMIT": {
        "EAPI:Rate limit exceeded": "REST_RATE_LIMIT",
        "EService:Throttled": "THROTTLED",
        "EOrder:Rate limit exceeded": "ENGINE_RATE_LIMIT",
        "EGeneral:Too many requests": "REST_RATE_LIMIT",
        "Exceeded msg rate": "MESSAGE_RATE_LIMIT",
    },
    "LOCKOUT": {
        "EGeneral:Temporary lockout": "LOCKOUT",
        "ETrade:User Locked": "ACCOUNT_LOCKED",
        "ETrade:Locked": "ACCOUNT_LOCKED",
        "EAuth:Account temporary disabled": "ACCOUNT_DISABLED",
        "EAuth:Account unconfirmed": "ACCOUNT_DISABLED",
        "EAuth:Too many requests": "LOCKOUT",
    },
    "AUTH": {
        "EAPI:Invalid key": "INVALID_KEY",
        "EAPI:Invalid signature": "INVALID_SIGNATURE",
        "EAPI:Feature disabled": "FEATURE_DISABLED",
        "EGeneral:Permission denied": "PERMISSION_DENIED",
        "EAuth": "AUTHENTICATION",
    },
    "SESSION": {"ESession:Invalid session": "SESSION", "ESession": "SESSION"},
    "UNKNOWN_OUTCOME": {
        "EService:Unavailable": "UNAVAILABLE",
        "EService:Busy": "BUSY",
        "EService:Timeout": "EXCHANGE_TIMEOUT",
        "EGeneral:Internal error": "INTERNAL_ERROR",
    },
    "MARKET_STATUS": {
        "EService:Market in cancel_only mode": "MARKET_CANCEL_ONLY",
        "EService:Market in post_only mode": "MARKET_POST_ONLY",
        "EService:Market in limit_only mode": "MARKET_LIMIT_ONLY",
        "EService:Market in reduce_only mode": "MARKET_REDUCE_ONLY",
        "EService:Market in maintenance mode": "MARKET_MAINTENANCE",
        "EService:Market in": "MARKET_RESTRICTED",
    },
    "GONE": {
        "EOrder:Unknown order": "UNKNOWN_ORDER",
        "EOrder:Invalid order": "UNKNOWN_ORDER",
    },
    "REFUSED": {
        "EService:Deadline elapsed": "DEADLINE_ELAPSED",
        "EOrder:Insufficient funds": "INSUFFICIENT_FUNDS",
        "EOrder:Order minimum not met": "ORDER_MINIMUM",
        "EOrder:Cost minimum not met": "COST_MINIMUM",
        "EOrder:Tick size check failed": "TICK_SIZE",
        "EOrder:Invalid price": "INVALID_PRICE",
        "EGeneral:Invalid arguments": "INVALID_ARGUMENTS",
        "EOrder:Orders limit exceeded": "OPEN_ORDERS_LIMIT",
        "EOrder:Positions limit exceeded": "POSITIONS_LIMIT",
        "EOrder:Domain rate limit exceeded": "ENGINE_RATE_LIMIT",
        "EOrder:Post only order": "POST_ONLY_WOULD_CROSS",
        "EOrder:Cannot open position": "MARGIN",
        "EOrder:Cannot open opposing position": "MARGIN",
        "EOrder:Margin allowance exceeded": "MARGIN",
        "EOrder:Margin level too low": "MARGIN",
        "EOrder:Margin position size exceeded": "MARGIN",
        "EOrder:Insufficient margin": "MARGIN",
        "EOrder:Trading agreement required": "MARGIN",
        "EOrder:Reduce only": "REDUCE_ONLY",
        "EQuery:Unknown asset pair": "UNKNOWN_PAIR",
        "EQuery:Unknown asset": "UNKNOWN_ASSET",
        "EGeneral:Unknown method": "UNKNOWN_METHOD",
        "ETrade:Unknown trade": "UNKNOWN_TRADE",
        "EOrder": "ORDER_REFUSED",
        "EQuery": "QUERY_REFUSED",
        "EFunding": "FUNDING_REFUSED",
        "Unsupported field": "INVALID_ARGUMENTS",
        "Malformed request": "INVALID_ARGUMENTS",
        "Method not found": "UNKNOWN_METHOD",
    },
}
MEANINGS: dict[str, tuple[str, Kind]] = {
    text: (code, kind) for kind, texts in _MEANINGS.items() for text, code in texts.items()
}
"""Every known text, or beginning of one up to a colon, with our code and its kind."""
_LONGEST_FIRST = sorted(MEANINGS, key=len, reverse=True)


def refusal(text: str) -> Refusal:
    """What an error text means.

    >>> refusal("EGeneral:Invalid arguments:volume")
    Refusal(code='INVALID_ARGUMENTS', kind='REFUSED', text='EGeneral:Invalid arguments:volume', detail='volume')
    >>> refusal("EService: Throttled: 1695828271").detail
    '1695828271'
    """
    plain = text.strip().replace(": ", ":")
    for known in _LONGEST_FIRST:
        if plain.startswith(known):
            code, kind = MEANINGS[known]
            return Refusal(code, kind, text, plain[len(known) :].lstrip(":").strip())
    return Refusal("UNKNOWN_ERROR", "UNKNOWN_OUTCOME", text)


def errors_of(texts: list[str]) -> list[str]:
    """The errors of an envelope: what begins with W is a warning and says that the request was carried out.

    >>> errors_of(["WGeneral:Deprecated", "EOrder:Unknown order"])
    ['EOrder:Unknown order']
    """
    return [text for text in texts if not text.startswith("W")]
