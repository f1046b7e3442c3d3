"""A real engine process that stands still at one chosen moment: `python -m tests.live.processes_engine MOMENT live …`.

It is the `gal-friday` program, but where the moment named comes for the first time, the whole process stops itself
(SIGSTOP) and never goes on. The test sees it stand, looks at the exchange, and kills it (SIGKILL).
Nothing of the product knows of this: the moments are set around its own methods, in this process only.
"""

import os
import signal
import sys
from collections.abc import Callable

from gal_friday_adapters.kraken.kraken_exchange import KrakenExchange
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_live import cli
from gal_friday_live.report_queue import ReportQueue

MOMENTS = {
    "intent": "the entry's intent is durable, and nothing was sent",
    "sent": "the entry's bytes were handed to the line, and no answer was read",
    "answered": "the exchange's first word about the entry arrived, and is not journalled",
    "acknowledged": "the acknowledgement of the entry is durable, and no fill was heard of",
    "filled": "the entry's first fill arrived, and is not journalled",
    "fill_reported": "the report of the fill is durable, and is not booked",
    "booked": "fill, position and cash are durable as one record",
    "stop_seen": "the stop that came with the entry arrived, and is not journalled",
    "planned": "the plan to sell at the target is durable, and every stop still stands",
    "unprotected": "the first stop's end is durable, and nothing was sold",
    "selling": "the bytes of the sale at the target were handed to the line, and no answer was read",
    "halted": "the halt is durable, and nobody was told",
}


def stand_still() -> None:
    while True:  # the signal stops the whole process, but perhaps not before this thread has gone on
        os.kill(os.getpid(), signal.SIGSTOP)


def after_append(wanted: Callable[[str, dict], bool]) -> None:
    """Stand still once a record is durable."""
    append = PostgresJournal.append

    async def mortal(self, kind, key, ts_ns, record):
        await append(self, kind, key, ts_ns, record)
        if wanted(kind, record):
            stand_still()

    PostgresJournal.append = mortal


def at_report(wanted: Callable[[object], bool]) -> None:
    """Stand still where a report of the exchange arrives."""
    put = ReportQueue.put

    def mortal(self, report):
        if wanted(report):
            stand_still()
        put(self, report)

    ReportQueue.put = mortal


def at_sending(purpose: str) -> None:
    """Stand still where the order's bytes are with the line: nothing is awaited before that."""
    submit = KrakenExchange.submit

    async def mortal(self, order):
        sending = submit(self, order)
        if order.purpose == purpose:
            sending.send(None)
            stand_still()
        await sending

    KrakenExchange.submit = mortal


def is_entry(report) -> bool:
    return report.side == "BUY" and report.signal_id != ""


ARM = {
    "intent": lambda: after_append(
        lambda kind, record: kind == "ORDER_INTENT" and record["purpose"] == "ENTRY"
    ),
    "sent": lambda: at_sending("ENTRY"),
    "answered": lambda: at_report(is_entry),
    "acknowledged": lambda: after_append(
        lambda kind, record: (
            kind == "EXECUTION_REPORT" and record["side"] == "BUY" and record["execution_id"] is None
        )
    ),
    "filled": lambda: at_report(lambda report: is_entry(report) and report.execution_id is not None),
    "fill_reported": lambda: after_append(
        lambda kind, record: (
            kind == "EXECUTION_REPORT" and record["side"] == "BUY" and record["execution_id"] is not None
        )
    ),
    "booked": lambda: after_append(lambda kind, record: kind == "FILL"),
    "stop_seen": lambda: at_report(lambda report: "-SL" in report.client_order_id),
    "planned": lambda: after_append(lambda kind, record: kind == "PROTECTION"),
    "unprotected": lambda: after_append(
        lambda kind, record: (
            kind == "EXECUTION_REPORT"
            and "-SL" in record["client_order_id"]
            and record["order_status"] == "CANCELED"
        )
    ),
    "selling": lambda: at_sending("TARGET"),
    "halted": lambda: after_append(
        lambda kind, record: kind == "SYSTEM_STATE" and record["state"] == "HALTED"
    ),
}
assert ARM.keys() == MOMENTS.keys()


if __name__ == "__main__":
    ARM[sys.argv.pop(1)]()
    cli.main()
