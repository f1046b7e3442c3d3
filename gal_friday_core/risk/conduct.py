"""How it has gone so far: approvals of the last minute, recent buys, losing trades in a row, fees of the day.

State that limits read and that no portfolio holds. Times are given, never read; one that runs back counts as
the latest.
"""

from collections import Counter, deque
from decimal import Decimal

from gal_friday_core.money import ZERO
from gal_friday_core.times import DAY_NS, MINUTE_NS

Buy = tuple[str, Decimal, Decimal]
"""Pair, quantity, price."""
KEPT_SIGNALS = 4_096


class Conduct:
    """`losses` trades in a row lost, the last one closed at `last_loss_ns`."""

    def __init__(self) -> None:
        self._approvals: deque[int] = deque()
        self._signals: dict[str, int] = {}
        self._buys: deque[tuple[int, Buy]] = deque()
        self._net: dict[str, Decimal] = {}
        self._day_ends = DAY_NS
        self._fees = ZERO
        self._bought_by: Counter[str] = Counter()
        self.losses = 0
        self.last_loss_ns = 0

    def approved(
        self, signal_id: str, expires_at: int, now_ns: int, buy: Buy | None, window_ns: int = 0
    ) -> None:
        """Count an approval; `buy` where it was one, which is forgotten `window_ns` later."""
        self._approvals.append(now_ns)
        self._signals[signal_id] = expires_at
        if len(self._signals) > KEPT_SIGNALS:  # an expired signal is refused for its age
            self._signals = {key: until for key, until in self._signals.items() if until >= now_ns}
        if buy is not None:
            recent = self._buys
            while recent and now_ns - recent[0][0] >= window_ns:
                recent.popleft()
            recent.append((now_ns, buy))

    def remember(self, signal_id: str, expires_at: int) -> None:
        """A signal that an earlier run approved, and sent an order for: a market that is told again proposes it again."""
        self._signals[signal_id] = expires_at

    def within_a_minute(self, now_ns: int) -> int:
        """Approvals of the last sixty seconds."""
        approvals, since = self._approvals, now_ns - MINUTE_NS
        while approvals and approvals[0] <= since:
            approvals.popleft()
        return len(approvals)

    def was_approved(self, signal_id: str) -> bool:
        """Whether the signal was approved before; remembered at least until it expires."""
        return signal_id in self._signals

    def since_same_buy(self, buy: Buy, now_ns: int) -> int | None:
        """Nanoseconds since the same buy was last approved, or None."""
        for at, known in reversed(self._buys):
            if known == buy:
                return max(now_ns - at, 0)
        return None

    def bought(self, model_id: str) -> None:
        """Count a buy of a model, in this run or an earlier one."""
        self._bought_by[model_id] += 1

    def bought_by(self, model_id: str) -> int:
        """Buys approved of a model."""
        return self._bought_by[model_id]

    def filled(self, pair: str, net: Decimal, fee: Decimal, now_ns: int, *, closed: bool) -> None:
        """A fill: what it earned with its fee paid, the fee in quote currency, and whether nothing is held now.

        What the pair earned since it was last flat is the trade's result. Only a loss counts as one: a trade
        that just pays its costs back ends a streak.
        """
        if now_ns >= self._day_ends:
            self._day_ends, self._fees = (now_ns // DAY_NS + 1) * DAY_NS, ZERO
        self._fees += fee
        result = self._net.get(pair, ZERO) + net
        if not closed:
            self._net[pair] = result
            return
        self._net[pair] = ZERO
        if result < ZERO:
            self.losses += 1
            self.last_loss_ns = max(now_ns, self.last_loss_ns)
        else:
            self.losses = 0

    def fees_today(self, now_ns: int) -> Decimal:
        """Paid since 00:00 UTC."""
        return self._fees if now_ns < self._day_ends else ZERO
