"""What evidence.json says: everything that was measured about a candidate, before any gate looks at it.

Plain values, a function of data and configuration alone. None is unknown, or does not apply. Returns are
fractions of the money spent, after fees and slippage; Sharpe ratios are per day unless called annual (365 days).
"""

from typing import Any

import msgspec

from gal_friday_core import artifact
from gal_friday_core.errors import ArtifactError
from gal_friday_core.resampling import Estimate


class Day(msgspec.Struct, frozen=True):
    """One UTC day out of sample: trades that ended on it, and what they returned together."""

    date: str
    fold: int
    trades: int
    net_return: float


class SharpeFamily(msgspec.Struct, frozen=True, kw_only=True):
    """Of the daily returns out of sample, days without a trade included.

    `passive`: the ratio of taking every trade that comes, without a model. `luck`: by how much the best of
    `trials` is expected to exceed it without skill; `dsr` asks for more than both, and where being passive loses it
    is the published one. `psr` and `dsr` follow the
    convention of 2014, `psr_2026` that of 2026, which knows of autocorrelation.
    """

    days: int
    ratio: float | None
    annual_ratio: float | None
    skewness: float | None
    kurtosis: float | None
    autocorrelation: float | None
    psr: float | None
    psr_2026: float | None
    dsr: float | None
    passive: float | None
    luck: float | None
    trials: int
    variance_of_trials: float | None
    minimum_record_days: float | None
    minimum_backtest_years: float | None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Whether choosing among the trials overfitted: see `overfitting`. None where it could not be measured, `about` says why.

    `apart` trials were tested on other days, and were nothing to choose from in these.
    """

    strategies: int
    days: int
    splits: int
    probability: float | None
    loss_probability: float | None
    degradation: float | None
    about: str
    apart: int = 0


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """One whole path through history of combinatorial cross-validation."""

    number: int
    events: int
    log_loss_gain: float
    auc: float | None
    trades: int
    total_net_return: float
    annual_ratio: float | None


class Combinatorial(msgspec.Struct, frozen=True, kw_only=True):
    """`losing_paths`: share of the paths that lost money. Learning from the future of a test is allowed here, so no gate asks it.

    Without paths `about` says why there are none.
    """

    groups: int
    tested: int
    splits: int
    paths: tuple[Path, ...]
    losing_paths: float | None
    about: str


class Stress(msgspec.Struct, frozen=True, kw_only=True):
    """The same decisions under harder conditions: 'as validated', 'costs doubled', 'one bar late'."""

    name: str
    trades: int
    mean_net_return: Estimate
    total_net_return: float
    annual_ratio: float | None


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """How it fared in one part of the tested events: `by` 'month', 'volatility', 'trend' or 'pair'."""

    by: str
    name: str
    events: int
    log_loss_gain: float
    auc: float | None
    trades: int
    mean_net_return: float | None
    total_net_return: float


class Importance(msgspec.Struct, frozen=True):
    """`gain` as the learner says it, as a share of all; `contribution` mean absolute SHAP value in log odds."""

    feature: str
    gain: float
    contribution: float


class CalibrationBin(msgspec.Struct, frozen=True):
    """Of one tenth of the tested events, by what was said: mean probability, and the share that won."""

    events: int
    said: float
    seen: float


class Suspect(msgspec.Struct, frozen=True):
    """A feature that tells the outcome too well to be true."""

    feature: str
    auc: float


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """`rows` feature rows were computed again from candles cut off at their time; `differing` of them are not what was learnt from.

    `features`: the columns that differed. `overlaps`: training labels that touch a tested moment. `recomputed` False:
    nobody could compute this feature set.
    """

    recomputed: bool
    rows: int
    differing: int
    features: tuple[str, ...]
    overlaps: int
    suspects: tuple[Suspect, ...]

    @property
    def leaks(self) -> int | None:
        """How many signs of a leak; None where nobody could look."""
        return self.differing + self.overlaps + len(self.suspects) if self.recomputed else None


class Quality(msgspec.Struct, frozen=True):
    """Of the candles before the holdout: reasons to keep them out, in plain words, and the share of bars without one."""

    candles: int
    missing_share: float
    reasons: tuple[str, ...]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything measured, beside the walk-forward report."""

    days: tuple[Day, ...]
    sharpe: SharpeFamily
    choice: Choice
    combinatorial: Combinatorial
    stress: tuple[Stress, ...]
    slices: tuple[Slice, ...]
    importance: tuple[Importance, ...]
    calibration: tuple[CalibrationBin, ...]
    canary: Canary
    quality: Quality
    format: int = 1

    def to_bytes(self) -> bytes:
        return artifact.to_json(msgspec.to_builtins(self))

    def to_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def from_bytes(cls, content: bytes) -> "Evidence":
        """Raises ArtifactError for anything else."""
        try:
            return msgspec.json.decode(content, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ArtifactError(f"{artifact.EVIDENCE}: {error}; train the model again") from None
