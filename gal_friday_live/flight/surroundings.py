"""What an engine on an island has around it: measured beside the island, and told to it."""

from collections.abc import Callable, Sequence
from typing import Self

from gal_friday_live.flight.outside import Outside
from gal_friday_live.flight.ports import OutsideLag, OutsidePage, OutsideProbe
from gal_friday_live.probes import ClockOffset, LoopLag, Probe
from gal_friday_live.surroundings import Surroundings


class OutsideSurroundings(Surroundings):
    """The surroundings, with everything read through the `Outside`."""

    @classmethod
    def of(cls, around: Surroundings, outside: Outside, *, replay: bool = False) -> Self:
        """`replay`: nothing stands behind them."""
        page = around.halt_page
        made = cls(
            folder=around.folder, database=around.database, exchange_time_ns=around.exchange_time_ns,
            lease_held=lambda: outside.reading("lease", around.lease_held),
            halt_page=None if page is None else OutsidePage(outside, None if replay else page),
        )  # fmt: skip
        object.__setattr__(made, "_outside", outside)
        return made

    def probes(
        self, *, market_fault: Callable[[], str], account_fault: Callable[[], str], offset: ClockOffset | None
    ) -> Sequence[Probe]:
        """The clock's offset asks the exchange as the engine does; all others measure where the engine is not."""
        outside: Outside = self._outside  # type: ignore[attr-defined]
        found = super().probes(market_fault=market_fault, account_fault=account_fault, offset=offset)
        return [probe if probe is offset else _watched(outside, probe) for probe in found]


def _watched(outside: Outside, probe: Probe) -> Probe:
    return OutsideLag(outside, probe) if isinstance(probe, LoopLag) else OutsideProbe(outside, probe)
