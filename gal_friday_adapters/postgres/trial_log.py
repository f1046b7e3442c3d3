"""The memory of trials: what was tried on which question, failed tries too, never changed and never deleted.

Synchronous: it is written by training, not by the engine. Writing a trial again changes nothing.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from gal_friday_adapters.postgres.connect import connect, describe, one_line
from gal_friday_core.errors import StorageError
from gal_friday_core.search import Trial, trial_id

_WRITE = """
insert into trial (series, label_hash, schema_hash, data_version, trial, status, document)
values (%(series)s, %(label_hash)s, %(schema_hash)s, %(data_version)s, %(trial)s, %(status)s, %(document)s)
on conflict do nothing
"""
_READ = """
select distinct on (trial) trial, status, document from trial
where series = %(series)s and label_hash = %(label_hash)s and schema_hash = %(schema_hash)s
order by trial, status, data_version = %(data_version)s desc, created desc, data_version
"""
_TALLY = """
select distinct on (trial) trial, (document ->> 'ratio')::float8 from trial
where series = %(series)s and label_hash = %(label_hash)s and schema_hash = %(schema_hash)s
order by trial, status, data_version = %(data_version)s desc, created desc, data_version
"""


@dataclass(frozen=True, slots=True)
class Question:
    """What trials that luck could choose among have in common: the same labels and features of the same series.

    `data_version` tells which candles: a few more of them make no new question, and old trials count on.
    """

    series: str
    label_hash: str
    schema_hash: str
    data_version: str


class TrialLog:
    """Trials in the database of `url`. Every method raises StorageError where it does not answer."""

    def __init__(self, url: str) -> None:
        self._url = url

    def write(self, question: Question, trial: Trial) -> None:
        """Keep a trial that was walked to its end."""
        self.write_all(question, [trial])

    def write_all(self, question: Question, trials: Iterable[Trial]) -> None:
        """Keep several of them, all or none."""
        self._insert([_row(question, trial.id, "complete", msgspec.to_builtins(trial)) for trial in trials])

    def write_failed(self, question: Question, parameters: dict[str, Any], reason: str) -> None:
        """Keep that these settings were tried, and why nothing came of it."""
        document = {"parameters": parameters, "reason": reason}
        self._insert([_row(question, trial_id(parameters), "failed", document)])

    def read(self, question: Question) -> tuple[list[Trial], int]:
        """Every complete trial once, in the order of ids, and how many others only ever failed.

        Of a trial that was made on several data versions: as it was on this one, else as it was last.
        """
        with self._asked() as connection:
            rows = connection.execute(_READ, asdict(question)).fetchall()
        complete = [document for _, status, document in rows if status == "complete"]
        return [msgspec.convert(document, Trial) for document in complete], len(rows) - len(complete)

    def tally(self, question: Question) -> dict[str, float | None]:
        """The daily Sharpe ratio of every trial by its id, None where it gave none: `read` without its returns."""
        with self._asked() as connection:
            return dict(connection.execute(_TALLY, asdict(question)).fetchall())

    def _insert(self, rows: list[dict[str, Any]]) -> None:
        with self._asked() as connection, connection.transaction():
            connection.cursor().executemany(_WRITE, rows)

    @contextmanager
    def _asked(self) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
        try:
            with connect(self._url) as connection:
                yield connection
        except psycopg.Error as error:
            raise StorageError(f"trials of {describe(self._url)}: {one_line(error)}") from error


def _row(question: Question, trial: str, status: str, document: dict[str, Any]) -> dict[str, Any]:
    return {**asdict(question), "trial": trial, "status": status, "document": Jsonb(document)}
