"""The memory of trials: what was tried on which question, failed tries too, never changed and never deleted.

Synchronous: it is written by training, not by the engine. Writing a trial again changes nothing.
"""

from collections.abc import Iterator
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
        self._insert(question, trial.id, "complete", msgspec.to_builtins(trial))

    def write_failed(self, question: Question, parameters: dict[str, Any], reason: str) -> None:
        """Keep that these settings were tried, and why nothing came of it."""
        document = {"parameters": parameters, "reason": reason}
        self._insert(question, trial_id(parameters), "failed", document)

    def read(self, question: Question) -> tuple[list[Trial], int]:
        """Every complete trial once, in the order of ids, and how many others only ever failed.

        Of a trial that was made on several data versions: as it was on this one, else as it was last.
        """
        with self._asked() as connection:
            rows = connection.execute(_READ, asdict(question)).fetchall()
        complete = [document for _, status, document in rows if status == "complete"]
        return [msgspec.convert(document, Trial) for document in complete], len(rows) - len(complete)

    def _insert(self, question: Question, trial: str, status: str, document: dict[str, Any]) -> None:
        values = {**asdict(question), "trial": trial, "status": status, "document": Jsonb(document)}
        with self._asked() as connection:
            connection.execute(_WRITE, values)

    @contextmanager
    def _asked(self) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
        try:
            with connect(self._url) as connection:
                yield connection
        except psycopg.Error as error:
            raise StorageError(f"trials of {describe(self._url)}: {one_line(error)}") from error
