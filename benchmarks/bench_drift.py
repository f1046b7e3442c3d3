"""Drift statistics beside Evidently, and how late and how falsely drift is told: `python benchmarks/bench_drift.py`.

    python benchmarks/bench_drift.py [--runs 20] [--rounds 3]

Speed: 50 features, a reference and a current window of 10,000 rows each, of which ten features drift. Evidently makes
its preset with `num_method='wasserstein'` and saves its page; we look at all features and write ours. Both verdicts are
compared feature by feature. Median CPU seconds, in turns, imports apart.

Delay: error .30 → .50 after 5,000 labels. River's detectors as the product runs them and others of river's; then the
bettors, which need no history. False alarms are counted in the 5,000 labels before, delays in labels after.

Memory: chance that a look at one feature without drift alarms, by its autocorrelation, when rows are taken for
independent and when they are counted for what they are worth.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DO_NOT_TRACK", "1")

from gal_friday_adapters.drift_page import render
from gal_friday_core.drift.betting import against
from gal_friday_core.drift.data import Reference, data_drift, data_finding, shape
from gal_friday_core.drift.looks import Look
from gal_friday_core.drift.settings import DriftConfig
from gal_friday_core.drift.statistics import apart, smirnov_p_value
from gal_friday_core.drift.thinning import inefficiency_of_shares

FEATURES, ROWS, DRIFTED, SHIFT = 50, 10_000, 10, 0.3
BEFORE, AFTER = 5_000, 1_500
NAMES = tuple(f"feature_{number}" for number in range(FEATURES))
CONFIG = DriftConfig()


def windows(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    reference, current = rng.normal(size=(2, ROWS, FEATURES))
    current[:, :DRIFTED] += SHIFT
    return reference, current


def evidently_look(reference: np.ndarray, current: np.ndarray):
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    said = DataDefinition(numerical_columns=list(NAMES))
    sets = [
        Dataset.from_pandas(pd.DataFrame(rows, columns=NAMES), data_definition=said)
        for rows in (current, reference)
    ]
    return Report([DataDriftPreset(num_method="wasserstein")]).run(*sets)


def evidently_verdicts(snapshot) -> dict[str, bool]:
    found = (metric for metric in snapshot.dict()["metrics"] if "column" in metric["config"])
    return {metric["config"]["column"]: float(metric["value"]) >= CONFIG.min_shift for metric in found}


def our_page(reference: Reference, current: np.ndarray, path: Path) -> None:
    features = data_drift(reference, current, CONFIG)
    shapes = [shape(reference, current, one.name) for one in features if one.told]
    look = Look(
        "bench", 0, (data_finding("bench", features, CONFIG),), features, tuple(s for s in shapes if s)
    )
    path.write_text(render(look), encoding="utf-8")


def cpu(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def speed(rounds: int) -> None:
    reference, current = windows(1)
    held = Reference.of(reference, NAMES)
    ours = {one.name: one.told for one in data_drift(held, current, CONFIG)}
    begin = time.process_time()
    snapshot = evidently_look(reference, current)
    print(f"Evidently: first run, imports included {time.process_time() - begin:.1f} s")
    theirs = evidently_verdicts(snapshot)
    differing = [name for name in NAMES if ours[name] != theirs[name]]
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder)
        contenders: dict[str, Callable[[], object]] = {
            "ours, reference prepared": lambda: data_drift(held, current, CONFIG),
            "ours, with preparing it": lambda: data_drift(Reference.of(reference, NAMES), current, CONFIG),
            "ours, with a page": lambda: our_page(held, current, page / "ours.html"),
            "Evidently": lambda: evidently_look(reference, current),
            "Evidently, with a page": lambda: evidently_look(reference, current).save_html(
                str(page / "theirs.html")
            ),
        }
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, contender in contenders.items():
                seconds[name].append(cpu(contender))
        sizes = {name: (page / name).stat().st_size / 1e6 for name in ("ours.html", "theirs.html")}
    medians = {name: statistics.median(spent) for name, spent in seconds.items()}
    print(f"\n{FEATURES} features, {ROWS:,} rows a window, {DRIFTED} drift by {SHIFT} standard deviations")
    for name, spent in medians.items():
        print(f"  {name:28} {spent * 1e3:10.1f} ms CPU")
    print(f"  pages: ours {sizes['ours.html']:.2f} MB, Evidently's {sizes['theirs.html']:.2f} MB")
    print(
        f"  verdicts: {sum(ours.values())} drifted, {len(differing)} differ from Evidently's {differing or ''}"
    )
    ratio = medians["Evidently"] / medians["ours, reference prepared"]
    with_page = medians["Evidently, with a page"] / medians["ours, with a page"]
    print(f"  Evidently / ours: {ratio:.0f} (target >= 200), with pages {with_page:.0f} (target >= 20)")


def river_detectors() -> dict[str, Callable[[], object]]:
    from river import drift

    return {
        "HDDM_A": drift.binary.HDDMA,
        "ADWIN": drift.ADWIN,
        "Page-Hinkley": drift.PageHinkley,
        "HDDM_W": drift.binary.HDDMW,
        "DDM": drift.binary.DDM,
    }


def alarms_of_river(make: Callable[[], object], bits: np.ndarray) -> list[int]:
    detector, found = make(), []
    for place, bit in enumerate(bits.tolist()):
        detector.update(bit)
        if detector.drift_detected:
            found.append(place)
    return found


def bettors(bits: np.ndarray, limit: float) -> list[int]:
    """Begun anew at every label: the first time they reach the limit before the change, and the first after it."""
    found = np.flatnonzero(against(bits.astype(float), 0.3).restarted >= limit)
    return [*found[found < BEFORE][:1], *found[found >= BEFORE][:1]]


def delays(runs: int) -> None:
    contenders: dict[str, Callable[[np.ndarray], list[int]]] = {
        name: lambda bits, make=make: alarms_of_river(make, bits) for name, make in river_detectors().items()
    }
    contenders["bettors, restarted, 1/20,000"] = lambda bits: bettors(bits, 20_000)
    contenders["bettors, restarted, 1/100,000"] = lambda bits: bettors(bits, 100_000)
    print(f"\nError .30 to .50 after {BEFORE:,} labels, {runs} runs")
    print(f"  {'':32} false alarms   median delay   missed of {runs}")
    for name, alarms in contenders.items():
        false, delay, missed = 0, [], 0
        for seed in range(runs):
            rng = np.random.default_rng(seed)
            bits = np.concatenate((rng.random(BEFORE) < 0.3, rng.random(AFTER) < 0.5)).astype(int)
            found = alarms(bits)
            false += sum(at < BEFORE for at in found)
            after = [at - BEFORE + 1 for at in found if at >= BEFORE]
            delay += after[:1]
            missed += not after
        median = statistics.median(delay) if delay else float("nan")
        print(f"  {name:32} {false / runs:12.2f} {median:14.0f} {missed:8}")


def promises(runs: int) -> None:
    """The bettor who began with the model, at level .05."""
    rng = np.random.default_rng(7)
    sound = [
        against((rng.random(BEFORE) < 0.3).astype(float), 0.3).wealth.max() >= 20 for _ in range(200 * runs)
    ]
    seen = [
        against((rng.random(BEFORE) < 0.4).astype(float), 0.3).crossed(20, np.inf)[0]
        for _ in range(200 * runs)
    ]
    print(f"\nBettor from the first label on, level .05, {200 * runs:,} runs")
    print(f"  sound models accused in {BEFORE:,} looks: {np.mean(sound):.1%} (at most 5 %)")
    print(f"  error .40 where .30 was said: seen after a median of {np.median(seen):.0f} labels")


def series(rho: float, rows: int, rng: np.random.Generator) -> np.ndarray:
    from scipy.signal import lfilter

    burnt = 1_000
    return lfilter([np.sqrt(1 - rho**2)], [1, -rho], rng.normal(size=rows + burnt))[burnt:]


def memory(runs: int) -> None:
    rng = np.random.default_rng(11)
    print(
        f"\nOne feature without drift, windows of {ROWS:,} and {ROWS // 5:,} rows, {20 * runs:,} looks at p < .05"
    )
    print(f"  {'autocorrelation':>16} {'rows as they are':>18} {'independent rows':>18}   rows worth one")
    for rho in (0.0, 0.5, 0.9, 0.99):
        plain, ours, worth = [], [], []
        for _ in range(20 * runs):
            reference, current = series(rho, ROWS, rng), series(rho, ROWS // 5, rng)
            distance, _ = apart(np.sort(reference), np.sort(current))
            each = inefficiency_of_shares(reference)
            worth.append(each)
            plain.append(smirnov_p_value(distance, ROWS, ROWS // 5) < 0.05)
            ours.append(smirnov_p_value(distance, ROWS / each, ROWS / 5 / each) < 0.05)
        print(f"  {rho:16} {np.mean(plain):18.1%} {np.mean(ours):18.1%} {np.median(worth):16.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")  # Evidently's libraries announce what they will change
    memory(arguments.runs)
    promises(arguments.runs)
    delays(arguments.runs)
    speed(arguments.rounds)


if __name__ == "__main__":
    main()
