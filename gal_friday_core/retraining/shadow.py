"""Whether a successor did no worse in the shadow than the model that it would replace, on the same bars."""

import msgspec
import numpy as np

from gal_friday_core.drift.delay import Scored, known, without_overlap
from gal_friday_core.retraining.settings import RetrainingConfig
from gal_friday_core.scores import log_losses
from gal_friday_core.times import DAY_NS


class ShadowResult(msgspec.Struct, frozen=True, kw_only=True):
    """`over`: the period is; `passed`: the successor is not worse. `gain`: log loss saved per label that shares no time."""

    over: bool
    passed: bool
    days: float
    predictions: int
    labels: int
    gain: float | None
    reason: str


def compare(
    successor: Scored, incumbent: Scored | None, now_ns: int, config: RetrainingConfig
) -> ShadowResult:
    """The shadow period as it stands at `now_ns`. Without an incumbent nothing is compared, only waited for.

    Raises DataError for records whose times cannot be.
    """
    own = known(successor, now_ns)
    days = (int(own.t0_ns[-1]) - int(own.t0_ns[0])) / DAY_NS if len(own) else 0.0
    over = len(own) > 0 and (days >= config.shadow_days or len(own) >= config.shadow_predictions)
    both = own
    if incumbent is not None:
        other = known(incumbent, now_ns)
        both = own[np.isin(own.t0_ns, other.t0_ns)]
    apart = without_overlap(both)
    enough = len(apart) >= config.min_shadow_labels
    gain = None
    if incumbent is not None and len(apart):
        paired = other[np.searchsorted(other.t0_ns, apart.t0_ns)]
        saved = log_losses(paired.probability, apart.won) - log_losses(apart.probability, apart.won)
        gain = float(saved.mean())
    passed = over and enough and (gain is None or gain >= 0)
    return ShadowResult(
        over=over and enough, passed=passed, days=days, predictions=len(own), labels=len(apart), gain=gain,
        reason=_reason(over, enough, len(apart), gain, config),
    )  # fmt: skip


def _reason(over: bool, enough: bool, labels: int, gain: float | None, config: RetrainingConfig) -> str:
    if not over:
        return "the shadow period is not over (retraining.shadow_days, retraining.shadow_predictions)"
    if not enough:
        return f"{labels} labels that share no time, {config.min_shadow_labels} are needed (retraining.min_shadow_labels)"
    if gain is None:
        return "nothing is in production to compare with"
    better = "lower" if gain >= 0 else "higher"
    return f"log loss {better} by {abs(gain):.5f} than in production, over {labels} labels that share no time"
