"""A/A and A/B experiments in simulated worlds: false positives under continuous looking, power, time to an end.

python benchmarks/bench_experiments.py [--runs 1000]
"""

import argparse
import resource
import time

from gal_friday_core.experiments.boundaries import gamma_exponential, normal_mixture, stitched, tightest
from gal_friday_core.experiments.simulation import Course, simulate

WORLDS = ("paired", "split", "thompson")


def cpu_s():
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def row(kind, traffic, runs):
    started, wall = cpu_s(), time.perf_counter()
    found = simulate(Course(kind, runs=runs, traffic=traffic))
    used, took = cpu_s() - started, time.perf_counter() - wall
    rate = found.false_positive_rate if kind == "aa" else found.power
    low, high = found.interval
    planned = (
        "" if found.planned_power is None else f"{found.planned_power:.0%} by {found.planned_median_stop:,}"
    )
    print(
        f"{kind:4} {traffic:9} {rate:6.1%} ({low:.1%}-{high:.1%}) {found.median_stop or 0:8,.0f}  {planned:>14} "
        f"{found.naive_rate:7.1%} {found.unblocked_rate:10.1%} {found.to_challenger:7.1%} {used:7.1f} {took:7.1f}"
    )
    return used, found


def boundaries():
    rho, one_sided = tightest(100, 0.05), tightest(100, 0.1)
    widths = {
        "one look only (1.96 standard errors)": 1.959964 * 10,
        "normal mixture, two-sided": normal_mixture(100, 0.05, rho),
        "gamma-exponential, one-sided, scale 2": gamma_exponential(100, 0.05, one_sided, 2),
        "stitched, one-sided, scale 3": stitched(100, 0.05, 10, 3),
    }
    print("\nhow far a sum of 100 unit variances may wander before it counts (alpha .05)")
    for name, width in widths.items():
        print(f"  {name:40} {width:6.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    runs = parser.parse_args().runs
    for traffic in WORLDS:
        simulate(Course("aa", runs=1, traffic=traffic))  # compile
    print(f"{runs:,} experiments of 10,000 units each, looked at every 50, alpha .05, power .8")
    print(
        "kind traffic   found  (95 %)       median stop        planned  t-test  unblocked  to B     cpu s  wall s"
    )
    used, variance = 0.0, {}
    for kind in ("aa", "ab"):
        for traffic in WORLDS:
            spent, found = row(kind, traffic, runs)
            used += spent
            variance[traffic] = found.variance_of_difference
    print(f"\nvariance of a difference, split over paired: {variance['split'] / variance['paired']:.1f}")
    print(f"{used / 6 * 1_000 / runs:.1f} cpu s for 1,000 experiments")
    boundaries()


if __name__ == "__main__":
    main()
