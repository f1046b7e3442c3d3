"""Writes the two drawings of docs/drift.md: `python benchmarks/drift_plots.py docs/images`."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench_drift import ROWS, series
from drawing import HEIGHT, WIDTH, line, written

from gal_friday_adapters.report_chart import Frame, ticks
from gal_friday_core.drift.betting import against
from gal_friday_core.drift.statistics import apart, smirnov_p_value
from gal_friday_core.drift.thinning import inefficiency_of_shares

RUNS, LOOKS = 5, 200
CHANGE, END = 1_500, 1_900


def evidence(path: Path) -> None:
    """Bettors who begin anew, through a change of error from .30 to .50."""
    frame = Frame(WIDTH, HEIGHT, 0, END, ticks(0, 8))
    places = list(range(0, END, 5))
    parts = [*frame.grid(), *(frame.below(at, f"{at:,} labels") for at in (500, 1_000, 1_500))]
    parts.append(line(frame, "limit", (0, END), (5.0, 5.0)))
    parts.append(line(frame, "change", (CHANGE, CHANGE), (0.0, 8.0)))
    for seed in range(RUNS):
        rng = np.random.default_rng(seed)
        bits = np.concatenate((rng.random(CHANGE) < 0.3, rng.random(END - CHANGE) < 0.5)).astype(float)
        wealth = np.log10(np.clip(against(bits, 0.3).restarted, 1.0, 1e8))
        parts.append(line(frame, "ours", places, wealth[places].tolist()))
    written(path, "Evidence of bettors who begin anew, as a power of ten, before and after a change", parts)


def memory(path: Path) -> None:
    """Share of looks without drift that alarm at p < .05, by autocorrelation."""
    rng = np.random.default_rng(3)
    rhos = [0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98]
    plain, ours = [], []
    for rho in rhos:
        alarms = np.zeros(2)
        for _ in range(LOOKS):
            reference, current = series(rho, ROWS, rng), series(rho, ROWS // 5, rng)
            distance, _ = apart(np.sort(reference), np.sort(current))
            each = inefficiency_of_shares(reference)
            alarms += [smirnov_p_value(distance, ROWS / n, ROWS / 5 / n) < 0.05 for n in (1, each)]
        plain.append(alarms[0] / LOOKS)
        ours.append(alarms[1] / LOOKS)
    frame = Frame(WIDTH, HEIGHT, 0.0, 1.0, ticks(0.0, 1.0), percent=True)
    parts = [*frame.grid(), *(frame.below(rho, f"{rho:g}") for rho in (0.0, 0.2, 0.4, 0.6, 0.8, 0.98))]
    parts += [line(frame, "plain", rhos, plain), line(frame, "ours", rhos, ours)]
    parts.append(line(frame, "limit", (0.0, 1.0), (0.05, 0.05)))
    written(path, "Looks without drift that alarm, by autocorrelation", parts)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    evidence(folder / "drift-evidence.svg")
    memory(folder / "drift-memory.svg")


if __name__ == "__main__":
    main()
