"""Strand latency against load: simulated from the measured service times, by formula where there is one, and drawn."""

import numpy as np

from benchmarks.drawing import HEIGHT, WIDTH, line, written
from gal_friday_adapters.report_chart import Frame, ticks
from gal_friday_core.capacity.queueing import Station, mean_wait_s, poisson, simulate, whole_way_s

PIECES, SEED, BATCH = 6_000, 11, 100
SHARES = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
"""Of what one worker can do one by one."""
DRAWN = 0.85
"""The worker's load, one by one, to whose 99th percentile the drawing reaches."""
BURSTS = (10, 100, 1_000)
_MORE = """<style>.dot { fill: #17202b; } .faint { stroke-dasharray: 2 3; }</style>"""


def worked_out(samples):
    """Everything that the page tells about queues, from samples of a run; the same samples, the same figures."""
    sample = {name: np.array(values) for name, values in samples.items() if name.endswith("_s")}
    one = sample["setup_s"] + sample["each_s"].mean()
    most = 1 / one.mean()
    rates = sorted(
        {round(share * most, 1) for share in SHARES} | {float(load["rate"]) for load in samples["loads"]}
    )
    beyond = [round(most * factor, 1) for factor in (1.2, 1.6, 2.0)]
    return {
        "single_most": round(float(most), 1),
        "curve": [point(sample, rate, most) for rate in [*rates, *beyond]],
        "checked": [checked(one, share) for share in (0.3, 0.5, 0.7, 0.9)],
        "bursts": [burst(sample, size) for size in BURSTS],
        "loads": [{**load, "simulated": as_measured(sample, load)} for load in samples["loads"]],
    }  # fmt: skip


def station(sample, batch, **more):
    return Station(sample["setup_s"], sample["each_s"], sample["wake_s"], batch=batch, **more)


def point(sample, rate, most):
    """Milliseconds from asking to write until the verdict is durable; without batches only where that has an end."""
    found = {"rate": rate}
    arrivals = poisson(rate, PIECES, np.random.default_rng(SEED))
    write = np.random.default_rng(SEED + 1).choice(sample["write_s"], PIECES)
    for name, batch in (("batched", BATCH), ("single", 1)):
        if batch == 1 and rate >= most:
            continue
        spent = simulate({"dm": station(sample, batch)}, arrivals, seed=SEED)["dm"].spent + write
        found[name] = milliseconds(spent)
    return found


def as_measured(sample, load):
    """The same number of plans as in the measured run, which began with an empty inbox; until decided, and handed on."""
    runs = []
    for seed in range(SEED, SEED + 5):
        rng = np.random.default_rng(seed)
        arrivals, write = (
            poisson(load["rate"], load["count"], rng),
            rng.choice(sample["write_s"], load["count"]),
        )
        both = {"dm": station(sample, BATCH, to={"trader": 1.0}), "trader": station(sample, BATCH)}
        passed = simulate(both, arrivals, seed=seed)
        runs.append(
            [
                *milliseconds(passed["dm"].spent + write),
                *milliseconds(whole_way_s(passed, "dm", "trader") + write),
            ]
        )
    return [round(float(value), 2) for value in np.median(runs, axis=0)]


def checked(service, share):
    """Mean wait one by one, by formula and by simulation: where both are known they agree."""
    rate = share / service.mean()
    arrivals = poisson(rate, 10 * PIECES, np.random.default_rng(SEED))
    spent = simulate({"dm": Station(service)}, arrivals, seed=SEED)["dm"].spent
    return {
        "share": share,
        "formula_ms": round(mean_wait_s(rate, service) * 1e3, 2),
        "simulated_ms": round(float(spent.mean() - service.mean()) * 1e3, 2),
    }


def burst(sample, size):
    """Plans that come in the same moment, as at the close of a bar: when the last verdict is durable."""
    last = {}
    for name, batch in (("batched", BATCH), ("single", 1)):
        runs = [
            simulate({"dm": station(sample, batch)}, np.zeros(size), seed=seed)["dm"].done.max()
            for seed in range(20)
        ]
        last[name] = round(float(np.median(runs)) * 1e3, 1)
    return {"plans": size, **last}


def milliseconds(spent):
    return [round(float(value) * 1e3, 2) for value in np.percentile(spent, (50, 99))]


def drawn(found, path):
    """The page's drawing: latency over plans a second."""
    curve = found["curve"]
    last = curve[-1]["rate"]
    top = max(
        one["single"][1] for one in curve if "single" in one and one["rate"] <= DRAWN * found["single_most"]
    )
    frame = Frame(WIDTH, HEIGHT, 0.0, last, ticks(0.0, top))
    parts = [
        _MORE,
        *frame.grid(),
        *(frame.below(at, f"{at:,.0f} plans/s") for at in ticks(0.0, last, 4)[1:-1]),
    ]
    for name, kind in (("single", "plain"), ("batched", "ours")):
        for place, faint in ((0, " faint"), (1, "")):
            shown = [
                (one["rate"], one[name][place]) for one in curve if name in one and one[name][place] <= top
            ]
            parts.append(line(frame, kind + faint, *zip(*shown, strict=True)))
    for load in found["loads"]:
        for value in load["ms"]:
            if value <= top and load["rate"] <= last:
                x, y = frame.points([load["rate"]], [value]).split(",")
                parts.append(f'<circle class="dot" cx="{x}" cy="{y}" r="4"/>')
    written(path, "Milliseconds until a plan is decided, by plans a second", parts)
