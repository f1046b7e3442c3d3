"""How the data set is cut: by series everywhere, and by month where a month can be computed on its own.

A partition key of candles and features is 'MONTH|SERIES', such as '2017-03|kraken:BTC-USD:1m'; from the
training set on it is the series alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from gal_friday_assets.quiet import quiet_dagster
from gal_friday_core.candles import Series
from gal_friday_core.times import from_iso

quiet_dagster()  # here, since everything that Dagster loads imports this module first

FIRST_MONTH = "2010-01"
"""Before it there was no market to record."""

PAIR = "pair"
MONTH = "month"

EXCHANGE_POOL = "exchange"
"""The pool of everything that asks an exchange: one slot, so that its limits are kept by one."""

ACCOUNT_POOL = "account"
"""The pool of what asks about the account: its key's nonces only grow, so there is one slot."""

pairs = dg.DynamicPartitionsDefinition(name=PAIR)
"""One partition a series (`Series.key`), added when the lake first holds it."""

months = dg.MonthlyPartitionsDefinition(start_date=FIRST_MONTH, fmt="%Y-%m", end_offset=1)
"""UTC calendar months, the open one included."""

days = dg.DailyPartitionsDefinition(start_date="2024-01-01", fmt="%Y-%m-%d")
"""UTC days that are over."""


class PairMonths(dg.MultiPartitionsDefinition):
    """Every month of every pair, listed anew only where one of them came or went.

    Dagster lists them for each check that is evaluated, to find that there are too many to look at.
    """

    _listed: tuple[Sequence[Sequence[str]], Sequence[dg.MultiPartitionKey]] = ((), ())

    def get_partition_keys(self, *context: Any, **named: Any) -> Sequence[dg.MultiPartitionKey]:
        """Keys in the order of Dagster's own."""
        with dg.partition_loading_context(*context, **named):
            parts = [dimension.partitions_def.get_partition_keys() for dimension in self.partitions_defs]
        if self._listed[0] != parts:
            self._listed = (parts, super().get_partition_keys(*context, **named))
        return self._listed[1]


pair_months = PairMonths({PAIR: pairs, MONTH: months})

whole_series = dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name=PAIR)
"""A model of a series reads every month of it."""

all_months_at_once = dg.BackfillPolicy.single_run()
"""A month costs milliseconds, a run seconds."""


def month_key(series: Series, month: str) -> str:
    """The partition of one month of a series.

    >>> month_key(Series("kraken", "BTC/USD", "1m"), "2017-03")
    '2017-03|kraken:BTC-USD:1m'
    """
    return f"{month}|{series.key}"


def range_tags(series: Series, first_month: str, last_month: str) -> dict[str, str]:
    """Run tags that select all months of a series from the first to the last, both included, in one run."""
    return {
        "dagster/asset_partition_range_start": month_key(series, first_month),
        "dagster/asset_partition_range_end": month_key(series, last_month),
    }


def series_in_run(run_tags: Mapping[str, str], known: Sequence[str]) -> list[Series]:
    """The series that a run works on; a range may span several of the known partitions, in their order.

    >>> series_in_run({"dagster/partition": "2017-03|kraken:BTC-USD:1m"}, [])[0].pair
    'BTC/USD'
    """
    if (single := run_tags.get("dagster/partition")) is not None:
        return [Series.parse(single.rpartition("|")[2])]
    first = run_tags["dagster/asset_partition_range_start"].rpartition("|")[2]
    last = run_tags["dagster/asset_partition_range_end"].rpartition("|")[2]
    return [Series.parse(key) for key in known[known.index(first) : known.index(last) + 1]]


def months_by_series(partition_keys: Sequence[str]) -> dict[Series, dict[str, str]]:
    """Partition keys as series → month → key.

    >>> months_by_series(["2017-03|kraken:BTC-USD:1m"])
    {Series(venue='kraken', pair='BTC/USD', interval='1m'): {'2017-03': '2017-03|kraken:BTC-USD:1m'}}
    """
    found: dict[Series, dict[str, str]] = {}
    for key in partition_keys:
        month, _, series = str(key).partition("|")
        found.setdefault(Series.parse(series), {})[month] = str(key)
    return found


def month_bounds(month: str) -> tuple[int, int]:
    """First nanosecond of the month, and of the next.

    >>> month_bounds("2017-12")[1] == from_iso("2018-01-01")
    True
    """
    year, number = map(int, month.split("-"))
    following = f"{year + number // 12:04d}-{number % 12 + 1:02d}"
    return from_iso(f"{month}-01"), from_iso(f"{following}-01")
