"""What goes wrong in a world, and when: drawn from its seed before anything runs."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIRE = ("checksum", "duplicate", "sequence_gap", "lost_response", "accept_late", "reject", "rate_limit")
STRAY = ("late", "repeated", "reordered")
REST = ("lost", "late", "answer lost", "page", "bad gateway", "half")
RATES = {
    "checksum": 0.3, "duplicate": 0.4, "sequence_gap": 0.3, "lost_response": 0.8, "accept_late": 0.8,
    "reject": 0.5, "rate_limit": 0.4,
}  # fmt: skip
FIRST_CLOSE_S, BAR_S = 20.0, 60.0
"""When the first bar of a world closes, and how much later each other one."""


@dataclass(frozen=True, slots=True)
class Fault:
    """From `at_s` for `lasts_s` seconds; what happens at an instant lasts none. `strength` is from 0 to 1."""

    at_s: float
    kind: str
    what: str
    lasts_s: float = 0.0
    strength: float = 0.0

    def __str__(self) -> str:
        lasts = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.kind} {self.what}{lasts}".strip()


Draw = Callable[[random.Random, float], Fault]


def _wire(chance: random.Random, at_s: float) -> Fault:
    what = chance.choice(WIRE)
    return Fault(at_s, "wire", what, chance.uniform(5, 60), RATES[what] * chance.uniform(0.3, 1.0))


def _rest(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "rest", chance.choice(REST), chance.uniform(5, 60), chance.uniform(0.1, 0.7))


def _cut(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "cut", chance.choice(("public", "private", "all")))


def _silence(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "silence", chance.choice(("public", "private", "all")))


def _down(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "down", chance.choice(("public", "private", "rest", "all")), chance.uniform(2, 45))


def _mangled(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "mangled", "", chance.uniform(5, 40), chance.uniform(0.01, 0.1))


def _latency(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "latency", "", chance.uniform(5, 60), chance.random())


def _store(chance: random.Random, at_s: float) -> Fault:
    what = chance.choice(("slow", "down", "hung", "full", "ambiguous"))
    return Fault(at_s, "store", what, chance.uniform(0.5, 25), chance.uniform(0.1, 0.6))


def _clock(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "clock", str(chance.choice((-86_400, -3_600, -2, 2, 600, 86_400))))


def _crash(_: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "crash", "")


def _restart(_: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "restart", "")


def _operator(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "operator", chance.choice(("halt", "halt", "resume", "liquidate")))


def _status(chance: random.Random, at_s: float) -> Fault:
    what = chance.choice(("maintenance", "cancel_only", "post_only"))
    return Fault(at_s, "status", what, chance.uniform(2, 40))


def _sweep(_: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "sweep", "")


def _disk(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "disk", "", chance.uniform(3, 30), chance.random())


KINDS: tuple[Draw, ...] = (
    _wire, _wire, _wire, _rest, _rest, _cut, _silence, _down, _mangled, _latency, _store, _store, _clock, _crash,
    _crash, _restart, _operator, _status, _sweep, _disk,
)  # fmt: skip


def _stray(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "stray", chance.choice(STRAY), chance.uniform(5, 60), chance.uniform(0.02, 0.2))


def _lockout(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "lockout", "", chance.uniform(5, 60))


def _model(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "model", "", chance.uniform(20, 90), chance.random())


def _stuck(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "store", "stuck", chance.uniform(0.5, 25))


def _full(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "full", "", chance.uniform(2, 30))


def _rival(_: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "rival", "")


def _flow(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "flow", str(chance.choice((-2_000, -100, 500, 20_000))))


def _stranger(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "stranger", chance.choice(("buy", "sell", "bid", "offer")))


MORE: tuple[Draw, ...] = (_stray, _stray, _lockout, _model, _stuck, _full, _rival, _flow, _stranger)


OUTSIDE: tuple[Draw, ...] = (
    _wire, _wire, _rest, _cut, _silence, _down, _mangled, _latency, _status, _sweep, _stray,
)  # fmt: skip
"""What goes wrong between an engine and its exchange, whatever the engine is made of."""
STORAGE: tuple[Draw, ...] = (_store, _store, _stuck, _full, _disk)


def schedule(
    chance: random.Random, seconds: float, kinds: Sequence[Draw] = KINDS, *, busy_s: float = 0.0
) -> list[Fault]:
    """A few kinds of trouble, each several times; one world in eight is calm. Most is on its way `busy_s` after a close."""
    if chance.random() < 0.125:
        return []
    kinds = chance.sample(kinds, chance.randint(1, 5))
    found = []
    for draw in kinds:
        for _ in range(chance.randint(1, 5)):
            found.append(draw(chance, _moment(chance, seconds, busy_s)))  # noqa: PERF401 - drawn in this order
    return sorted(found, key=lambda fault: fault.at_s)


def more(chance: random.Random, seconds: float) -> list[Fault]:
    """What half of all worlds have beside that, drawn apart from it."""
    if chance.random() < 0.5:
        return []
    kinds = chance.sample(MORE, chance.randint(1, 2))
    return [draw(chance, _moment(chance, seconds)) for draw in kinds for _ in range(chance.randint(1, 3))]


def _moment(chance: random.Random, seconds: float, busy_s: float = 0.0) -> float:
    """Any time, or more often one about a bar's close, when orders are on their way."""
    if chance.random() < 0.4:
        return chance.uniform(0, seconds)
    bars = max(int((seconds - FIRST_CLOSE_S) // BAR_S), 0)
    return max(FIRST_CLOSE_S + busy_s + BAR_S * chance.randint(0, bars) + chance.gauss(0, 1.5), 0.0)
