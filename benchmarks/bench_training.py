"""Training: a full retrain with the share of bare fitting, and a year of weekly retrains beside FreqAI.

Both learn the same outcomes of the same bars from the same features with the same XGBoost settings, and our trees
are compared with XGBoost's own, byte by byte. FreqAI gets the features for nothing; ours are computed here, with
labels, and each window is also calibrated and traded. Our 64 bins a feature (training.bins) are a line of their own.
Real candles where GAL_FRIDAY_TEST_DATA names them, else a simulated market.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import peers
import xgboost
from market import five_minutes
from sklearn.metrics import log_loss, roc_auc_score

from gal_friday_core.calibration import fit_platt
from gal_friday_core.config import Config, TrainingConfig
from gal_friday_core.features.drivers import compute, warm
from gal_friday_core.learners.boosted_trees import parameters
from gal_friday_core.learning import lesson
from gal_friday_core.splits import rolling
from gal_friday_core.times import DAY_NS
from gal_friday_core.training import train_on, walk_splits
from gal_friday_core.training_set import assemble

TRAIN_DAYS, TEST_DAYS, WINDOWS = 30, 7, 48
LATER = 0.1
"""Both keep the latest tenth of a window apart: FreqAI to evaluate on, we to calibrate on."""
WEEKLY = TrainingConfig(
    bins=256, trees=100, depth=6, learning_rate=0.05, min_child_weight=1, subsample=1, column_sample=1, stride_bars=1,
    weights="none", calibration_fraction=LATER, embargo_bars=0,
)  # fmt: skip
FULL = TrainingConfig(trees=300, depth=6, folds=6, stride_bars=1, embargo_bars=60)


def clock():
    """Wall and CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return np.array([time.perf_counter(), used.ru_utime + used.ru_stime])


def timed(work):
    before = clock()
    found = work()
    return found, clock() - before


def bare(data, splits, settings):
    """Nothing but the library: matrices and trees. What it learnt, as bytes."""
    models = []
    for split in splits:
        part = lesson(data, data.events[split.fit])
        matrix = xgboost.QuantileDMatrix(
            part.features.astype(np.float32), part.label, nthread=1, max_bin=settings.bins
        )
        models.append(xgboost.train(parameters(settings), matrix, settings.trees).save_raw("ubj"))
    return models


def weeks(data, first_ns):
    labels = data.labels[data.events]
    splits = rolling(
        labels.t0_ns, labels.t1_ns, first_ns=first_ns, train_ns=TRAIN_DAYS * DAY_NS,
        test_ns=TEST_DAYS * DAY_NS, calibration_fraction=LATER, embargo_ns=0,
    )  # fmt: skip
    return splits[:WINDOWS]


def ours(candles, config, first_ns, fits):
    """From candles to a year of predictions, as the product does it."""
    data = assemble(candles, compute(candles), config)
    return data, walk_splits(data, config.training, weeks(data, first_ns), fits=fits)


def full_retrain(candles):
    """One year, six folds and the final model; evidence beyond the walk-forward is told apart."""
    config = Config(training=FULL)
    data = assemble(candles, compute(candles), config)
    splits, marks = [], {}

    def watched(fit, parts):
        parts = list(parts)
        splits.extend(parts)
        return map(fit, parts)

    def told(stage, done, of):
        marks.setdefault((stage, done == of), clock())

    before = clock()
    train_on(data, config, told, fits=watched)
    learnt, evidence = marks["model", True] - before, clock() - marks["model", True]
    folds = splits[: FULL.folds]
    _, fitting = timed(lambda: bare(data, [*folds, last(folds)], FULL))
    print(
        f"full retrain: {len(data.candles):,} bars of 5 minutes, {len(data.schema)} features, "
        f"{len(data.events):,} events, {FULL.folds} purged folds, {FULL.trees} trees of depth {FULL.depth}"
    )
    for name, (wall, cpu) in (
        ("to the validated model", learnt), ("bare fits", fitting), ("evidence, after it", evidence),
    ):  # fmt: skip
        print(f"  {name:24} wall {wall:6.1f} s   CPU {cpu:6.1f} s")
    print(f"  share of bare fitting in the CPU of the validated model: {fitting[1] / learnt[1]:.0%}")


def last(folds):
    """The final fit: as much as the last fold's fit and test together."""
    fit = np.concatenate((folds[-1].fit, folds[-1].calibration, folds[-1].test))
    return type(folds[-1])(fit[: int(len(fit) * (1 - FULL.calibration_fraction))], fit[:0], fit[:0])


def freqai(folder, data, candles, *, table, first_ns, jobs):
    """One run of FreqAI; what it predicted for each bar, and its seconds of wall and CPU."""
    label = np.full(len(candles), -1, np.int8)
    label[data.labels.index] = data.labels.label
    np.savez(
        folder / "given.npz", ts=candles.ts, open=candles.open, high=candles.high, low=candles.low,
        close=candles.close, volume=candles.volume, features=table.values, label=label,
    )  # fmt: skip
    settings = {
        "n_estimators": WEEKLY.trees, "max_depth": WEEKLY.depth, "learning_rate": WEEKLY.learning_rate,
        "min_child_weight": WEEKLY.min_child_weight, "tree_method": "hist", "random_state": 1,
    }  # fmt: skip
    task = {
        "data": str(folder / "given.npz"), "predictions": str(folder / "predicted.npy"),
        "names": data.schema.names, "tested": [first_ns, first_ns + WINDOWS * TEST_DAYS * DAY_NS],
        "train_days": TRAIN_DAYS, "test_days": TEST_DAYS, "test_size": LATER,
        "parameters": settings | ({"n_jobs": jobs} if jobs else {}),
    }  # fmt: skip
    (folder / "task.json").write_text(json.dumps(task))
    command = [peers.freqai(), Path(__file__).with_name("peer_freqai.py"), folder / "task.json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    said = json.loads(done.stdout.strip().splitlines()[-1])
    return np.load(folder / "predicted.npy"), np.array([said["wall_s"], said["cpu_s"]])


def scores(data, folds, theirs):
    """Out of sample on the bars that both predicted: AUC, and log loss with and without calibration."""
    bars = np.concatenate([fold.bars for fold in folds])
    mine = np.concatenate([fold.probability for fold in folds])
    other = theirs[data.labels.index[bars]]
    both = np.isfinite(other)
    label = data.labels.label[bars][both]
    alone = np.concatenate([fold.learnt.fitted.margins(data.features(fold.bars)) for fold in folds])
    alone = 1 / (1 + np.exp(-alone.astype(float)))
    found = {"Gal-Friday": mine[both], "  its trees alone": alone[both], "FreqAI": other[both]}
    return {name: (roc_auc_score(label, p), log_loss(label, p)) for name, p in found.items()}, int(both.sum())


def weekly(candles, rounds, workers, ways):
    config = Config(training=WEEKLY)
    table = compute(candles)
    data = assemble(candles, table, config)
    first_ns = (int(candles.ts[0]) // DAY_NS + 1 + TRAIN_DAYS) * DAY_NS
    splits = weeks(data, first_ns)
    few = Config(training=WEEKLY.model_copy(update={"bins": TrainingConfig().bins}))
    together = f"{workers} at a time"
    fewer = f"{together}, {few.training.bins} bins"
    times = {name: [] for name in ("bare fits", "one at a time", together, fewer, *ways)}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        for _ in range(rounds):
            library, spent = timed(lambda: bare(data, splits, WEEKLY))
            times["bare fits"].append(spent)
            (_, folds), spent = timed(lambda: ours(candles, config, first_ns, map))
            times["one at a time"].append(spent)
            times[together].append(timed(lambda: ours(candles, config, first_ns, pool.map))[1])
            (_, by_few), spent = timed(lambda: ours(candles, few, first_ns, pool.map))
            times[fewer].append(spent)
            for name, jobs in ways.items():
                theirs, spent = freqai(Path(folder), data, candles, table=table, first_ns=first_ns, jobs=jobs)
                times[name].append(spent)
    print(
        f"\n{len(splits)} weekly retrains on {TRAIN_DAYS} days each, {len(data.schema)} features, "
        f"{WEEKLY.trees} trees of depth {WEEKLY.depth}, {WEEKLY.bins} bins; median of {rounds} rounds in turns"
    )
    median = {name: np.median(values, axis=0) for name, values in times.items()}
    cheapest = min(median[name][1] for name in ways)
    quickest = min(median[name][0] for name in ways)
    for name, (wall, cpu) in median.items():
        print(
            f"  {name:20} wall {wall:6.1f} s ({wall / quickest:.2f} of FreqAI)   "
            f"CPU {cpu:6.1f} s ({cpu / cheapest:.2f} of FreqAI)"
        )
    paired = [
        one[1] / fits[1] - 1 for one, fits in zip(times["one at a time"], times["bare fits"], strict=True)
    ]
    for name in (together, fewer):
        verdict(f"{name}: CPU against FreqAI's cheaper way", median[name][1] / cheapest, 0.6)
        verdict(f"{name}: wall against FreqAI's quicker way", median[name][0] / quickest, 0.35)
    verdict("overhead over the library's bare fits, CPU", statistics.median(paired), 0.03)
    same = sum(
        fold.learnt.fitted.booster.save_raw("ubj") == model
        for fold, model in zip(folds, library, strict=True)
    )
    print(f"  models equal to the library's own, byte by byte: {same} of {len(library)}")
    for bins, kept in ((WEEKLY.bins, folds), (few.training.bins, by_few)):
        found, rows = scores(data, kept, theirs)
        for name, (auc, loss) in found.items():
            print(
                f"  {name:20} AUC {auc:.4f}   log loss {loss:.4f}   over {rows:,} bars out of sample, ours with {bins} bins"
            )


def verdict(name, value, promised):
    print(f"  {name}: {value:.3f}, promised ≤ {promised}: {'holds' if value <= promised else 'BROKEN'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("full", "weekly"))
    parser.add_argument(
        "--one-thread", action="store_true", help="FreqAI with one thread only: its way on a busy machine"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    warm()
    fit_platt(np.arange(9.0), np.arange(9) % 2 == 0)
    candles = five_minutes(123_000)
    year = candles[: 365 * 288]
    assemble(year[:30_000], compute(year[:30_000]), Config())
    if arguments.only != "weekly":
        full_retrain(year)
    if arguments.only != "full":
        ways = {"FreqAI, one thread": 1} | ({} if arguments.one_thread else {"FreqAI": None})
        weekly(candles, arguments.rounds, arguments.workers, ways)


if __name__ == "__main__":
    sys.exit(main())
