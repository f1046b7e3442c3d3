"""What goes wrong at a desk beside what goes wrong with any engine, and how it is done."""

import random
from typing import Protocol

from gal_friday_live.simulation.desk.server import Server
from gal_friday_live.simulation.faults import OUTSIDE, STORAGE, Draw, Fault, schedule
from gal_friday_live.simulation.troubles import Hands, Surface, Troubles

BUSY_S = 1.9
"""After a bar's close plans are decided, and orders sent."""
ROLES = ("trader", "dm", "alpha")


class DeskHands(Hands, Protocol):
    """Who may act on its roles. A role that there is not is nobody's: nothing happens."""

    def kill(self, name: str) -> None: ...
    def ask_to_end(self, name: str) -> None: ...
    def unlease(self, name: str) -> None: ...
    def cut_lines(self, name: str) -> None: ...
    def freeze(self, name: str, seconds: float) -> None: ...
    def operate_on(self, name: str, what: str) -> None: ...


class DeskTroubles(Troubles):
    """Those of any world, and those of roles, their database and what is between them."""

    def __init__(self, surface: Surface, hands: DeskHands, server: Server) -> None:
        super().__init__(surface, hands)
        self._desk = hands
        self._server = server

    def strike(self, fault: Fault) -> None:
        """Where no hint arrives nothing is wrong: strands are looked for all the same."""
        until = self.until
        super().strike(fault)
        if fault.kind == "deaf":
            self.until = until

    def end(self) -> None:
        self._server.deaf = False
        super().end()

    def _fault_kill(self, fault: Fault) -> None:
        self._desk.kill(fault.what)

    def _fault_leave(self, fault: Fault) -> None:
        self._desk.ask_to_end(fault.what)

    def _fault_lease(self, fault: Fault) -> None:
        self._desk.unlease(fault.what)

    def _fault_lines(self, fault: Fault) -> None:
        self._desk.cut_lines(fault.what)

    def _fault_freeze(self, fault: Fault) -> None:
        self._desk.freeze(fault.what, fault.lasts_s)

    def _fault_deaf(self, fault: Fault) -> None:
        self._server.deaf = True
        self._later(fault.lasts_s, lambda: setattr(self._server, "deaf", False))

    def _fault_command(self, fault: Fault) -> None:
        name, _, what = fault.what.partition(" ")
        self._desk.operate_on(name, what)


def _kill(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "kill", chance.choice(ROLES))


def _leave(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "leave", chance.choice(ROLES))


def _lease(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "lease", chance.choice(ROLES))


def _lines(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "lines", chance.choice(ROLES))


def _freeze(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "freeze", chance.choice(ROLES), chance.uniform(1, 30))


def _deaf(chance: random.Random, at_s: float) -> Fault:
    return Fault(at_s, "deaf", "", chance.uniform(5, 60))


def _command(chance: random.Random, at_s: float) -> Fault:
    what = chance.choice(("halt", "halt", "resume", "liquidate"))
    return Fault(at_s, "command", f"{chance.choice(ROLES)} {what}")


DESK: tuple[Draw, ...] = (_kill, _kill, _kill, _leave, _lease, _lease, _lines, _freeze, _deaf, _command)


def drawn(chance: random.Random, seconds: float) -> list[Fault]:
    """What goes wrong by the seed: half of all worlds have trouble inside the desk alone, half with the exchange too."""
    inside = (*DESK, *STORAGE)
    kinds = inside if chance.random() < 0.5 else (*inside, *DESK, *OUTSIDE)
    return schedule(chance, seconds, kinds, busy_s=BUSY_S)
