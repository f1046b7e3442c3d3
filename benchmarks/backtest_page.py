"""What `bench_backtest.py` measured, as docs/benchmarks.md: the table, and trade by trade why a peer's list differs."""

import os
import platform
from pathlib import Path

OURS = "Gal-Friday"
MODEL = "Gal-Friday, model"
HALF_TICK = 0.05

HOW = {
    "Gal-Friday": "compiled scans to the next bar where anything can happen; there the engine's own modules",
    "Gal-Friday, whole engine": "`backtest --engine`: every bar through bus, journal and every service",
    "vectorbt": "one compiled call over arrays, no engine behind it; it has one order a bar, so a cross in the bar that "
    "ends a trade is lost; its stops are ratios, which may miss a touch by rounding",
    "backtesting.py": "orders at the next open; ends what is open with the last bar",
    "jesse": "its research function in its fast mode, averages made beforehand; it takes a buy's fee in the coin, so that "
    "each trade is smaller by that fee; ends what is open with the last bar",
    "nautilus_trader": "its own averages; orders at the close decided on; amounts at eight decimals",
    "freqtrade": "its backtest over a frame; its target is a profit after fees, set so that its price is the rule's, at "
    "most a tick off; ends what is open with the last bar",
    "backtrader": "a bracket order, whose stop and target wait for the fill and cannot end a trade in its first bar; its "
    "averages begin with a mean of the first bars",
}

INTRODUCTION = """# Benchmarks

Backtests beside other backtesters: `./gal-friday bench backtest --write` makes every peer's environment, runs all of them and
writes this page. The other benchmarks are in `benchmarks/README.md`.

## One rule, one year of one-minute bars

An average over {fast} closes crosses above one over {slow}: buy for {share:.0%} of equity; stop {stop:.0%} below and target
{target:.0%} above the close decided on; a fee of {fee:.2%} on each fill; {cash:,.0f} at the start. Rule and bars are in
`benchmarks/cross.py`.
{source}

Each ran in an environment of its own, in turns, {rounds}; the table has medians. Measured is the run: from bars in memory, in the form
that each wants them, to the last trade. Making that form, importing and compiling are not. Speed is told in seconds
of processor time, which other work on the machine disturbs less. Memory is the highest during the run over what was in use before
it; the bars themselves take {data:.0f} MiB.

{machine}
"""

BOUNDS = """Averages, layout of the bars and scan take some hundredths of a second, most of it for marks of what is held. All else is
trades: at most {each:.0f} µs each, for a signal with three checks (limits, order, exchange), a fill with its stop and target, and an
exit; six reports, two bookings in decimals, two derived ids: about 8,000 bytecodes and 260 calls, none of which takes more than 3 %
(`benchmarks/backtest_opcodes.py`). By `perf` three quarters of the time are the interpreter's, 6 % decimals, 5 % machine code.
vectorbt's whole loop is machine code over floats. To be as fast, the modules that trade live would have to be machine code too:
a compiled copy of their rules would be a second definition of them, and backtests would trade by another one than engines do.
"""


def page(results, bars, rule, rounds, source):
    """The whole page. Without our own result there is nothing to compare with."""
    ours = next(result for result in results if result["name"] == OURS)
    if "failed" in ours:
        raise SystemExit(f"{OURS} {ours['failed']}")
    rows = [result for result in results if result["name"] != MODEL]
    model = next((result for result in results if result["name"] == MODEL), None)
    data = sum(column.nbytes for column in bars.values()) / (1 << 20)
    parts = [
        INTRODUCTION.format(
            **rule.as_dict(),
            rounds="once" if rounds == 1 else f"{rounds} times",
            machine=machine(),
            data=data,
            source=_source(source, bars),
        ),
        _table(rows, ours),
        _failures(rows),
        "### Why lists differ\n",
        _reasons(rows, ours),
        "### What bounds ours\n",
        BOUNDS.format(each=ours["cpu_s"] / len(ours["trades"]) * 1e6),
    ]
    if model is not None:
        parts.append(_model(model))
    return "\n".join(part for part in parts if part)


def machine():
    """What it ran on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = named[0].partition(":")[2].strip() if named else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"Machine: {model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} "
        f"{platform.release().partition('-')[0]}, Python {platform.python_version()}{load} at the end."
    )


def _source(source, bars):
    count = f"{len(bars['ts']):,}"
    if source == "simulated":
        return (
            f"The {count} bars are simulated from a seed and open where the last one closed, so that it does not matter\n"
            "whether a backtester fills at the close or at the open after it."
        )
    return f"The {count} bars are those of `{source}`, whose opens may differ from the closes before them."


def _table(rows, ours):
    lines = [
        "| | CPU s | bars a CPU s | our time to its | wall s | memory MiB | trades | as ours | final equity |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in sorted((row for row in rows if "failed" not in row), key=lambda row: row["cpu_s"]):
        speed, ratio = row["bars"] / row["cpu_s"], row["cpu_s"] / ours["cpu_s"]
        same = len(matches(ours["trades"], row["trades"])[0])
        lines.append(
            f"| {row['name']} {row['version']} | {row['cpu_s']:.2f} | {speed:,.0f} | {_times(ratio)} | "
            f"{row['wall_s']:.2f} | {row['memory_mib']:.0f} | {len(row['trades']):,} | {same:,} | {row['final_equity']:,.2f} |"
        )
    return "\n".join(lines) + "\n"


def _times(ratio):
    return "1" if abs(ratio - 1) < 1e-9 else f"1 : {ratio:.3g}"


def _failures(rows):
    failed = [f"- {row['name']} {row['failed']}" for row in rows if "failed" in row]
    return "Not in the table:\n\n" + "\n".join(failed) + "\n" if failed else ""


def matches(ours, theirs):
    """Trades alike in the bars of entry and exit and in both prices, to half a tick; those of ours that they lack or
    have otherwise; and theirs that we lack.
    """
    mine, other = ({trade[0]: trade for trade in trades} for trades in (ours, theirs))
    same = [entry for entry, trade in mine.items() if entry in other and alike(trade, other[entry])]
    changed = [entry for entry in mine if entry in other and not alike(mine[entry], other[entry])]
    missing = [entry for entry in mine if entry not in other]
    extra = [entry for entry in other if entry not in mine]
    return same, changed, missing, extra


def alike(one, other):
    prices = all(abs(one[place] - other[place]) < HALF_TICK for place in (2, 3))
    return one[1] == other[1] and prices


def _reasons(rows, ours):
    told = []
    for row in rows:
        if "failed" in row or row["name"] == OURS:
            continue
        told.append(f"- **{row['name']}**: {HOW[row['name']]}. {_difference(row, ours)}")
    return f"Ours: {HOW[OURS]}.\n\n" + "\n".join(told) + "\n"


def _difference(row, ours):
    """In figures: what is lost, what follows from it, and how far the equity is from ours."""
    same, changed, missing, extra = matches(ours["trades"], row["trades"])
    ended = {trade[1] + 1 for trade in ours["trades"]}
    at_an_exit = sum(entry in ended for entry in missing)
    last = row["bars"] - 1
    forced = sum(trade[1] >= last - 1 for trade in row["trades"] if trade[0] in extra)
    facts = []
    if len(same) == len(ours["trades"]) == len(row["trades"]) - forced:
        facts.append("The same trades")
    if at_an_exit:
        facts.append(f"{at_an_exit} entries missing that follow an exit in the very bar before")
    if len(missing) - at_an_exit:
        facts.append(
            f"{len(missing) - at_an_exit} more entries missing, while another trade of its own was open"
        )
    if len(extra) - forced:
        facts.append(f"{len(extra) - forced} entries of its own in their wake")
    if forced:
        facts.append("one that was open at the end was sold, and its fee paid")
    if changed:
        facts.append(f"{len(changed)} with another price or bar of the exit")
    away = row["final_equity"] / ours["final_equity"] - 1
    facts.append(f"final equity {away:+.1e} of ours")
    if not row["repeated"]:
        facts.append("not the same list in every round")
    return "; ".join(facts) + "."


def _model(model):
    if "failed" in model:
        return f"## With a model\n\nNot measured: it {model['failed']}.\n"
    return (
        "## With a model\n\nThe same bars traded by a model: 36 features a bar, 300 trees of depth 6, calibration, the "
        "strategy `threshold`,\nbarriers by volatility and time. No peer computes features and trees inside its backtest "
        "(FreqAI predicts before\nit; see `bench_training.py`).\n\n"
        "| | CPU s | bars a CPU s | wall s | memory MiB | trades |\n|---|---:|---:|---:|---:|---:|\n"
        f"| Gal-Friday {model['version']} | {model['cpu_s']:.2f} | {model['bars'] / model['cpu_s']:,.0f} | "
        f"{model['wall_s']:.2f} | {model['memory_mib']:.0f} | {len(model['trades']):,} |\n"
    )
