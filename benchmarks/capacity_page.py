"""docs/capacity.md from what was measured: `page(found)` is text alone, the same for the same measurements."""

import msgspec

from gal_friday_core.capacity import sizing
from gal_friday_core.capacity.sizing import HEADROOM, Costs, Demand

GROUPS = {
    "A message, a bar, an order": ("wire_us", "services_us", "message_us", "record_us", "bar_us", "features_us",
                                   "predict_us", "order_us", "note_us", "append_us"),
    "Memory": ("engine_mb", "engine_cores", "engine_ready_s", "pair_mb", "model_mb"),
    "PostgreSQL": ("rows_per_bar", "rows_per_order", "durable_per_order", "reports_per_order", "note_server_us", "notes_per_s", "append_ms",
                   "append_p99_ms", "append_server_us"),
    "Disk": ("bytes_per_bar", "wal_per_bar", "bytes_per_held_bar", "bytes_per_order", "candles_kb_day",
             "features_kb_day", "message_bytes"),
    "Pipeline": ("partition_s", "refresh_s", "retrain_s", "run_start_s"),
    "Strands": ("strand_us", "strand_server_us", "strand_setup_ms", "strand_each_ms", "strand_single_per_s",
                "strand_batch_per_s"),
}  # fmt: skip
RATES = (1.0, 14.0, 84.0)
PAIRS = (10, 1_000, 100_000)
OF_AN_ACCOUNT = 10

BEGIN = """# Capacity

What one pair, message, bar, order, model, partition and strand cost; what that adds up to; what saturates first; and a
simulation of what waits in between. `.venv/bin/python benchmarks/bench_capacity.py --write` measures all of it, and writes this page.

{machine}
Measured on {date}. CPU times are the least of several runs, wall times what they were: how busy the machine was stands above.
Nothing here is extrapolated but the sizes, and those by the [formulas](#formulas) below.

## Measured costs
"""

RATES_TOLD = """## What saturates first

Pairs that one unit of each resource carries, loaded to {headroom:.0%} at most: the fewest saturate first. One-minute bars, twenty orders a
pair and day, roles split. Book messages of a pair: 1 a second where little happens; 14 was the mean of eight
pairs over thirty seconds of a recorded session (Bybit, 2021), 84 the busiest of 10 in another (Coinbase, 2021).
"""

HELPS = """What then helps: for the engine's thread and the close of a bar, alphas by groups of pairs under one decision maker
([split.md](split.md)); for the pipeline, workers on other machines ([scale-out.md](scale-out.md)); for durable records, a disk that syncs
sooner, since one engine's follow each other; for many accounts, memory: an account costs an engine, a pair next to nothing.
"""

FORMULAS = """## Formulas

`core/capacity/sizing.py` has them as code, with the names of the table above; *p* pairs of all accounts, *m* messages a second
of a pair, *b* seconds of a bar, *o* orders a second of all pairs.

| Resource | Used | One unit carries |
|---|---|---|
| engine thread | *p·m·*message + *p/b·*(bar + rows·note) + *o·*(order + durable·append + noted·note + strands) + accounts·engine cores | {headroom} of a core |
| close of a bar | *p·*(bar + rows·note) at once | what fits into {decide:g} s beside the messages |
| durable records | *o·*durable records | {headroom}/append, one after the other |
| PostgreSQL | (notes·note + *o·*durable·append + *o·*strands·strand) of the server's CPU | {headroom} of a core |
| strands | *o·*(3 + reports), where roles are split: plan, verdict, word to the trader, each report | {headroom} of what was drained in batches |
| pipeline | a night: 4 partitions and a run of each pair; a retraining a week | {headroom} of a core |
| memory | engines·engine + *p·*(pair + model) | |

A model with half the trees, bars of five minutes or a quieter market change the sizes in proportion: put your own numbers into
`Demand`. The exchange's own limits (order rates, subscriptions a connection) are in [kraken.md](kraken.md); they are limits of
accounts, not of this machine.
"""

QUEUES = """## What waits: strands

A plan waits for the decision maker to hear of it, to finish what it is doing, and to take it. `core/capacity/queueing.py`
simulates that event by event, from samples of the measured run at {calm:g} plans a second: the writes, the wake-ups, and batches of one; what a
strand more in a batch takes comes from draining {drained:,}. Nothing is fitted to the higher loads. It knows the
queue, and not that writer, server and listener share cores with whatever else runs: on a busy machine waits were several times the
simulated ones.

![Milliseconds until a plan is decided, by plans a second](images/capacity-strands.svg)

Blue: batches of up to 100, as the listener works; red: one by one. Dashed the median, whole the 99th percentile. Dots were
measured. One by one a decision maker ends at {most:,.0f} plans a second; in batches the queue is what makes it quicker: the more
waits, the more one commit carries.
"""


def page(found):
    """The whole page of a run's results."""
    measured, queues = found["measured"], found["queues"]
    costs = sizing.costs_of(
        {name: one["value"] for name, one in measured.items() if name in Costs.__struct_fields__}
    )
    parts = [
        BEGIN.format(machine=found["machine"], date=found["date"]),
        *(_group(title, names, measured) for title, names in GROUPS.items()),
        RATES_TOLD.format(headroom=HEADROOM),
        _first(costs),
        _told_first(costs),
        HELPS,
        "## Sizes\n",
        _sizes(costs),
        _accounts(costs),
        FORMULAS.format(headroom=f"{HEADROOM:g}", decide=Demand(pairs=1).decide_s),
        QUEUES.format(calm=queues["loads"][0]["rate"], drained=found["drained"], most=queues["single_most"]),
        _loads(queues),
        _checked(queues),
        _bursts(queues),
    ]  # fmt: skip
    return "\n".join(parts)


def _group(title, names, measured):
    lines = [f"### {title}\n", "| Cost | Value | | Runs |", "|---|---:|---|---|"]
    for name in names:
        one = measured[name]
        runs = f"{min(one['runs']):,.4g} to {max(one['runs']):,.4g}" if len(one["runs"]) > 1 else ""
        lines.append(f"| `{name}` | {_number(one['value'])} {one['unit']} | {one['how']} | {runs} |")
    return "\n".join(lines) + "\n"


def _first(costs):
    """Pairs a unit of each resource, at each rate of messages."""
    demands = [Demand(pairs=1, messages_per_s=rate, split=True) for rate in RATES]
    carried = [{one.name: pairs for one, pairs in sizing.carries(costs, demand)} for demand in demands]
    order = sorted(carried[1], key=lambda name: carried[1][name])
    lines = [
        "| One unit of | " + " | ".join(f"{rate:g} messages/s" for rate in RATES) + " |",
        "|---|" + "---:|" * len(RATES),
    ]
    lines += [
        f"| {name} | " + " | ".join(f"{_number(each[name])} pairs" for each in carried) + " |"
        for name in order
    ]
    return "\n".join(lines) + "\n"


def _told_first(costs):
    told = []
    for rate in RATES:
        (first, pairs), (second, later), *_ = sizing.carries(
            costs, Demand(pairs=1, messages_per_s=rate, split=True)
        )
        told.append(
            f"at {rate:g} a second the {first.name} ({_number(pairs)} pairs), then the {second.name} ({_number(later)})"
        )
    return "First saturates, by messages of a pair: " + "; ".join(told) + ".\n"


def _sizes(costs):
    demands = [Demand(pairs=pairs, split=pairs > PAIRS[0]) for pairs in PAIRS]
    title = "One account, one-minute bars, 14 messages a second and twenty orders a day of each pair; roles split from 1,000 pairs on."
    return _table(title, costs, demands, [f"{pairs:,} pairs" for pairs in PAIRS])


def _accounts(costs):
    demands = [Demand(pairs=OF_AN_ACCOUNT, accounts=accounts) for accounts in PAIRS]
    title = (
        f"Accounts of {OF_AN_ACCOUNT} pairs, each with an engine of its own; all trade the same pairs, whose history is stored and "
        "learnt from once."
    )
    return _table(title, costs, demands, [f"{accounts:,} accounts" for accounts in PAIRS])


def _table(title, costs, demands, heads):
    lines = [title + "\n", "| | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    needed = [sizing.needs(costs, demand) for demand in demands]
    for row in zip(*needed, strict=True):
        first = row[0].resource
        cells = [_cell(need, demand) for need, demand in zip(row, demands, strict=True)]
        lines.append(f"| {first.name} ({first.spread}) | " + " | ".join(cells) + " |")
    memory = [f"{_number(sizing.memory_mb(costs, demand) / 1e3)} GB" for demand in demands]
    disk = [f"{_number(sizing.disk_gb_day(costs, demand))} GB" for demand in demands]
    market = [
        f"{_number(sizing.disk_gb_day(costs, msgspec.structs.replace(demand, recorded=True)) - sizing.disk_gb_day(costs, demand))} GB"
        for demand in demands
    ]  # fmt: skip
    lines += [
        "| memory | " + " | ".join(memory) + " |",
        "| disk a day | " + " | ".join(disk) + " |",
        "| disk a day, market recorded: more | " + " | ".join(market) + " |",
    ]
    return "\n".join(lines) + "\n"


def _cell(need, demand):
    """An account has an engine at least, whatever it needs of it."""
    units = max(need.units, demand.accounts) if need.resource.spread == "engines" else need.units
    return f"{units:,} ({_number(need.used)} {need.resource.unit})" if need.used else "none"


def _loads(queues):
    lines = [
        "| Plans a second | Of them | Measured p50, p99 | Simulated p50, p99 | Simulated, until the trader has done its part |",
        "|---:|---:|---:|---:|---:|",
    ]
    for load in queues["loads"]:
        cells = [_ms(values) for values in (load["ms"], load["simulated"][:2], load["simulated"][2:])]
        lines.append(f"| {load['rate']:,} | {load['count']:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _checked(queues):
    lines = [
        "One by one the mean wait has a formula (Pollaczek and Khinchine's, for any service time), and the simulation has to agree:\n",
        "| Load of the worker | Formula | Simulated |", "|---:|---:|---:|",
    ]  # fmt: skip
    lines += [
        f"| {one['share']:.0%} | {one['formula_ms']:,.2f} ms | {one['simulated_ms']:,.2f} ms |"
        for one in queues["checked"]
    ]
    return "\n".join(lines) + "\n"


def _bursts(queues):
    lines = [
        "Bars of all pairs close in the same moment, so plans come at once; simulated until the last verdict is durable:\n",
        "| Plans at once | In batches | One by one |", "|---:|---:|---:|",
    ]  # fmt: skip
    lines += [
        f"| {one['plans']:,} | {one['batched']:,.0f} ms | {one['single']:,.0f} ms |"
        for one in queues["bursts"]
    ]
    return "\n".join(lines) + "\n"


def _ms(values):
    return ", ".join(f"{value:,.0f}" for value in values) + " ms"


def _number(value):
    """Three digits, with thousands apart.

    >>> _number(1234567.0), _number(0.01234), _number(12.0), _number(1e-6)
    ('1,230,000', '0.0123', '12', '< 0.001')
    """
    if 0 < value < 0.001:
        return "< 0.001"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 or rounded == int(rounded) else f"{rounded:g}"
