"""The outbox: never waits for its destination, loses nothing that it took while it fails, and counts the rest."""

import threading

import pytest

from gal_friday_adapters import outbox as module
from gal_friday_adapters.outbox import Outbox
from gal_friday_core.errors import DataError, StorageError

GIVE_UP_S = 20.0


class Destination:
    """Takes batches while `open`; `failures` says how many first writes are to fail."""

    def __init__(self, failures: int = 0, refuse: set[int] = frozenset()) -> None:
        self.failures = failures
        self.refuse = refuse
        self.taken: list[int] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.calm = threading.Event()
        self.expected = 0

    def write(self, batch):
        self.entered.set()
        assert self.open.wait(GIVE_UP_S)
        if self.failures > 0:
            self.failures -= 1
            raise StorageError("down")
        if self.refuse & set(batch):
            raise DataError("never")
        self.taken += batch
        if len(self.taken) >= self.expected:
            self.calm.set()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(module, "PAUSES_S", (0.001, 0.01))


def test_everything_put_is_written_once_in_order():
    destination = Destination()
    box = Outbox("test", destination.write, limit=10_000, batch=64, linger_s=0)
    box.start()
    for number in range(5_000):
        assert box.put(number)
    assert box.close(GIVE_UP_S)
    assert destination.taken == list(range(5_000))
    assert box.counts.written == box.counts.offered == 5_000


def test_a_destination_that_fails_is_tried_again_and_loses_nothing():
    told: list[str] = []
    destination = Destination(failures=5)
    destination.expected = 300
    box = Outbox(
        "test",
        destination.write,
        limit=1_000,
        batch=100,
        linger_s=0,
        on_trouble=lambda name, what: told.append(what),
    )
    for number in range(300):
        box.put(number)
    box.start()
    assert destination.calm.wait(GIVE_UP_S)
    assert box.close(GIVE_UP_S)
    assert destination.taken == list(range(300))
    assert box.counts.failures == 5
    assert box.counts.dropped == 0
    assert told == [
        "cannot write, 300 waiting: down",
        "writes again after 5 failures; 0 lost while the queue was full",
    ]


def test_a_full_queue_refuses_and_counts_while_the_destination_hangs():
    told: list[str] = []
    destination = Destination()
    destination.open.clear()
    box = Outbox(
        "test",
        destination.write,
        limit=10,
        batch=10,
        linger_s=0,
        on_trouble=lambda name, what: told.append(what),
    )
    box.start()
    box.put(0)
    assert destination.entered.wait(GIVE_UP_S)
    accepted = [box.put(number) for number in range(1, 30)]
    assert accepted.count(True) == 9  # the one being written still counts
    assert box.counts.dropped == 20
    destination.open.set()
    assert box.close(GIVE_UP_S)
    assert destination.taken == list(range(10))
    assert told == ["writes again after 0 failures; 20 lost while the queue was full"]


def test_a_rejected_batch_is_counted_and_does_not_hold_up_the_next():
    destination = Destination(refuse={3})
    box = Outbox("test", destination.write, limit=100, batch=2, linger_s=0)
    for number in range(6):
        box.put(number)
    assert box.close(GIVE_UP_S)
    assert destination.taken == [0, 1, 4, 5]
    assert box.counts.rejected == 2
    assert box.counts.offered == 6


def test_closing_gives_up_on_a_hanging_destination_and_counts_what_is_lost():
    destination = Destination()
    destination.open.clear()
    box = Outbox("test", destination.write, limit=100, batch=10, linger_s=0)
    for number in range(25):
        box.put(number)
    box.start()
    assert destination.entered.wait(GIVE_UP_S)
    assert not box.close(0.01)
    assert box.counts.dropped == 25
    assert not box.put(99)
    destination.open.set()


def test_closing_gives_up_on_a_destination_that_keeps_failing():
    destination = Destination(failures=10**9)
    box = Outbox("test", destination.write, limit=100, batch=10, linger_s=0)
    box.put(1)
    assert not box.close(GIVE_UP_S)
    assert box.counts.dropped == 1
