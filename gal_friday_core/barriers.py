"""How wide a trade's target and stop are: the one definition that labels and strategy share."""

import math

from numba import njit

from gal_friday_core.compiled import kept


@kept
@njit(cache=True)
def _clip(width: float, narrowest: float, widest: float) -> float:
    if width < narrowest:
        return narrowest
    if width > widest:
        return widest
    return width  # NaN falls through: an unknown volatility gives an unknown width


@kept
@njit(cache=True)
def widths(  # noqa: PLR0917 - compiled kernels take positions
    volatility: float,
    horizon: int,
    target_mult: float,
    stop_mult: float,
    min_width: float,
    max_width: float,
) -> tuple[float, float]:
    """Distances of target and stop from the decision price (the close), as fractions of it.

    `volatility` is the standard deviation of one bar's log return; it grows with the square root of
    the holding time, hence `volatility * sqrt(horizon)` is one volatility over the horizon. Both widths
    lie in [min_width, max_width]; a NaN volatility gives NaN widths. Formula: López de Prado, Advances
    in Financial Machine Learning, 2018, section 3.3, with the scale set by the horizon.
    """
    reach = volatility * math.sqrt(horizon)
    return _clip(target_mult * reach, min_width, max_width), _clip(stop_mult * reach, min_width, max_width)


def warm() -> None:
    """Compile ahead, or load from the cache, so that the first entry does not wait."""
    widths(1.0, 1, 1.0, 1.0, 1.0, 1.0)
