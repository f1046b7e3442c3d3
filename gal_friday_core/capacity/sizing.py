"""From measured costs to sizes. Entry points: `needs` of a demand, `carries` of one unit of each resource.

Nothing is assumed about a cost; what is assumed about a market is a field of `Demand`. A unit is loaded to `HEADROOM`
at most, since queues grow without bound towards 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

import msgspec

from gal_friday_core.errors import DataError

HEADROOM: Final = 0.6
DAY_S: Final = 86_400
_US, _GB_IN_KB = 1e-6, 1e-6


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Measured on one machine. `_us` CPU microseconds, `_server_us` those of PostgreSQL, `_s` CPU seconds, others as named.

    `engine_cores`: what an engine takes that has one quiet pair, whatever happens.
    """

    message_us: float
    record_us: float
    message_bytes: float
    bar_us: float
    order_us: float
    engine_mb: float
    engine_cores: float
    pair_mb: float
    model_mb: float
    rows_per_bar: float
    bytes_per_bar: float
    rows_per_order: float
    durable_per_order: float
    reports_per_order: float
    bytes_per_order: float
    note_us: float
    note_server_us: float
    append_us: float
    append_ms: float
    append_server_us: float
    candles_kb_day: float
    features_kb_day: float
    partition_s: float
    retrain_s: float
    run_start_s: float
    strand_us: float
    strand_server_us: float
    strand_batch_per_s: float


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """`pairs` of each of the `accounts`. Of each pair: book messages a second, seconds of a bar, orders a day.

    `split`: alpha, decision maker and trader are processes of their own. `decide_s` is how late the last pair's decision may come after a common close. Models are trained
    again every `retrain_days`; `recorded` keeps every message of the market.
    """

    pairs: int
    accounts: int = 1
    messages_per_s: float = 14.0
    bar_s: float = 60.0
    orders_per_day: float = 20.0
    split: bool = False
    decide_s: float = 0.25
    retrain_days: float = 7.0
    recorded: bool = False

    @property
    def traded(self) -> float:
        """Pairs of all accounts."""
        return float(self.pairs * self.accounts)

    @property
    def orders_per_s(self) -> float:
        return self.traded * self.orders_per_day / DAY_S


@dataclass(frozen=True, slots=True)
class Resource:
    """`of` says how much of it a demand uses, in `unit`s; one unit carries `one`. `spread` is what it is cut into."""

    name: str
    unit: str
    spread: str
    of: Callable[[Costs, Demand], float]
    one: Callable[[Costs, Demand], float]
    headroom: float = HEADROOM


@dataclass(frozen=True, slots=True)
class Need:
    resource: Resource
    used: float
    units: int


def costs_of(measured: Mapping[str, float]) -> Costs:
    """Raises DataError that names what was not measured."""
    try:
        return msgspec.convert(measured, Costs)
    except msgspec.ValidationError as error:
        raise DataError(
            f"measured costs are not complete: {error}; run benchmarks/bench_capacity.py"
        ) from None


def strands_per_s(costs: Costs, demand: Demand) -> float:
    """Of an order that roles split: its plan, the verdict, the word to the trader, and every report."""
    return demand.orders_per_s * (3 + costs.reports_per_order) if demand.split else 0.0


def message_cores(costs: Costs, demand: Demand) -> float:
    """Messages only: what goes on at every moment, also while bars close."""
    each = costs.message_us + (costs.record_us if demand.recorded else 0.0)
    return demand.traded * demand.messages_per_s * each * _US


def engine_cores(costs: Costs, demand: Demand) -> float:
    """Messages, bars with what is noted of them, orders with what is made durable of them, and every engine's own."""
    bars = demand.traded / demand.bar_s * (costs.bar_us + costs.rows_per_bar * costs.note_us)
    kept = costs.durable_per_order * costs.append_us
    noted = (costs.rows_per_order - costs.durable_per_order) * costs.note_us
    orders = demand.orders_per_s * (costs.order_us + kept + noted)
    orders += strands_per_s(costs, demand) * costs.strand_us
    return message_cores(costs, demand) + (bars + orders) * _US + demand.accounts * costs.engine_cores


def close_seconds(costs: Costs, demand: Demand) -> float:
    """Work that comes at once when bars of all pairs close, while messages go on."""
    return demand.traded * (costs.bar_us + costs.rows_per_bar * costs.note_us) * _US


def _close_carried(costs: Costs, demand: Demand) -> float:
    """What one engine does in the time allowed, beside the messages of as many pairs as it then has."""
    each = close_seconds(costs, demand) / demand.traded
    told = message_cores(costs, demand) / demand.traded
    return demand.decide_s * each / (each + demand.decide_s * told)


def server_cores(costs: Costs, demand: Demand) -> float:
    """PostgreSQL: notes in batches, durable records, strands."""
    noted = demand.traded / demand.bar_s * costs.rows_per_bar
    noted += demand.orders_per_s * (costs.rows_per_order - costs.durable_per_order)
    durable = demand.orders_per_s * costs.durable_per_order * costs.append_server_us
    said = strands_per_s(costs, demand) * costs.strand_server_us
    return (noted * costs.note_server_us + durable + said) * _US


def memory_mb(costs: Costs, demand: Demand) -> float:
    """One model a pair, and at least an engine for each account."""
    engines = max(demand.accounts, ceil(engine_cores(costs, demand) / HEADROOM))
    return engines * costs.engine_mb + demand.traded * (costs.pair_mb + costs.model_mb)


def disk_gb_day(costs: Costs, demand: Demand) -> float:
    """Journal, lake, and the recorded market where it is kept. A pair's bars are stored once for all accounts."""
    journal = demand.traded * DAY_S / demand.bar_s * costs.bytes_per_bar / 1e3
    journal += demand.orders_per_s * DAY_S * costs.bytes_per_order / 1e3
    lake = demand.pairs * (costs.candles_kb_day + costs.features_kb_day)
    market = (
        demand.pairs * demand.messages_per_s * DAY_S * costs.message_bytes / 1e3 if demand.recorded else 0.0
    )
    return (journal + lake + market) * _GB_IN_KB


def pipeline_cores(costs: Costs, demand: Demand) -> float:
    """Averaged over a day: two months of candles and features of each pair every night, in one run a pair; retrains."""
    nightly = demand.pairs * (4 * costs.partition_s + costs.run_start_s)
    trained = demand.pairs * (costs.retrain_s + costs.run_start_s) / demand.retrain_days
    return (nightly + trained) / DAY_S


RESOURCES: Final = (
    Resource("engine thread", "cores", "engines", engine_cores, lambda *_: 1.0),
    Resource("close of a bar", "s of work", "engines", close_seconds, _close_carried, headroom=1.0),
    Resource(
        "durable records", "records/s", "engines",
        lambda costs, demand: demand.orders_per_s * costs.durable_per_order,
        lambda costs, _: 1e3 / costs.append_ms,
    ),
    Resource("PostgreSQL", "cores", "server cores", server_cores, lambda *_: 1.0),
    Resource(
        "strands", "strands/s", "decision makers",
        strands_per_s, lambda costs, _: costs.strand_batch_per_s,
    ),
    Resource("pipeline", "cores", "worker cores", pipeline_cores, lambda *_: 1.0),
)  # fmt: skip


def needs(costs: Costs, demand: Demand) -> list[Need]:
    """How much of each resource, and in how many units."""
    found = []
    for resource in RESOURCES:
        used = resource.of(costs, demand)
        carried = resource.one(costs, demand) * resource.headroom
        found.append(Need(resource, used, ceil(used / carried)))
    return found


def carries(costs: Costs, demand: Demand) -> list[tuple[Resource, float]]:
    """How many pairs one unit of each resource carries at such a demand, fewest first: the first saturates first.

    What an engine takes without any pair is left to it before pairs are counted.
    """
    one = msgspec.structs.replace(demand, pairs=1, accounts=1)
    found = []
    for resource in RESOURCES:
        fixed = costs.engine_cores if resource.of is engine_cores else 0.0
        each = resource.of(costs, one) - fixed
        if each > 0:
            found.append((resource, (resource.one(costs, one) * resource.headroom - fixed) / each))
    return sorted(found, key=lambda pair: pair[1])
