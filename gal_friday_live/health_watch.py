"""Readings taken, judged, and turned into what the trading gate says."""

from collections.abc import Iterator, Sequence

from gal_friday_core.config import MonitoringConfig
from gal_friday_core.health import Changes, Finding, Health, Limit, Severity
from gal_friday_core.ports import Clock
from gal_friday_core.times import SECOND_NS
from gal_friday_live.probes import LoopLag, Probe
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import TradingGate

SILENT_MARKET = "MARKET_DATA_SILENT"
LINE_NOTICED_S = 2.0
"""A line may be made anew within this time without a word about it; entries are kept back from the first moment."""


def limits(settings: MonitoringConfig, silence_s: float) -> tuple[Limit, ...]:
    """The configured limits by code; `silence_s` is how long a market may say nothing.

    A line that is down needs no gate of its own: nothing is decided on its market, and its exchange blocks.
    """
    lines = ("MARKET_LINE_DOWN", "ACCOUNT_LINE_DOWN")
    offset, silence = settings.clock_offset_s, settings.database_silence_s
    return (
        Limit(code=SILENT_MARKET, unit="s", degraded=silence_s),
        *(Limit(code=code, unit="s", degraded=LINE_NOTICED_S, halted=settings.line_down_s) for code in lines),
        Limit(code="LOOP_LAG", unit="s", reducing=settings.loop_lag_s),
        Limit(code="CLOCK_OFFSET", unit="s", reducing=offset, halted=settings.halt_clock_offset_s),
        Limit(code="STORAGE_DOWN", unit="s", reducing=silence, halted=settings.halt_database_silence_s),
        Limit(
            code="DISK_FULL", unit="MB", reducing=settings.min_disk_mb, halted=settings.halt_disk_mb, low=True
        ),
        Limit(code="MEMORY", unit="MB", reducing=settings.max_memory_mb, halted=settings.halt_memory_mb),
    )


class HealthWatch:
    """The engine's probes and what they found. A finding that reduces stands in the gate under its code."""

    def __init__(
        self,
        settings: MonitoringConfig,
        *,
        clock: Clock,
        gate: TradingGate,
        silence_s: float,
        probes: Sequence[Probe] = (),
    ) -> None:
        self._silence_s = silence_s
        self._health = Health(limits(settings, silence_s), recover_after_s=settings.recover_after_s)
        self._clock = clock
        self._gate = gate
        self._probes = tuple(probes)
        self._heard_ns: int | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self._health.findings

    @property
    def severity(self) -> Severity | None:
        """The worst that stands."""
        return self._health.severity or None

    @property
    def readings(self) -> dict[str, float]:
        """The last reading of everything, by code."""
        return dict(self._health.readings)

    def judge_by(self, settings: MonitoringConfig) -> None:
        """Other limits from the next look on."""
        self._health.judge_by(limits(settings, self._silence_s), recover_after_s=settings.recover_after_s)

    def add(self, *probes: Probe) -> None:
        """More to measure; before `start`."""
        self._probes += probes

    def start(self, tasks: TaskSupervisor) -> None:
        """Let the probes measure until the engine stops. Until `ready`, the start itself holds up the event loop."""
        for lag in self._lags():
            lag.hold()
        for probe in self._probes:
            tasks.background(probe.run(), f"probe {probe.code}")

    def ready(self) -> None:
        """The engine is up: what held up the event loop until now says nothing about how it will trade."""
        for lag in self._lags():
            lag.ready()

    def heard(self) -> None:
        """The market spoke."""
        self._heard_ns = self._clock.now_ns()

    def look(self) -> Changes:
        """Read every probe, and block or clear the gate accordingly."""
        now_ns = self._clock.now_ns()
        readings = {probe.code: value for probe in self._probes if (value := probe.read()) is not None}
        if self._heard_ns is not None:
            readings[SILENT_MARKET] = (now_ns - self._heard_ns) / SECOND_NS
        changes = self._health.look(readings, now_ns / SECOND_NS)
        for finding in changes.over:
            self._gate.clear(finding.code)
        for finding in changes.worse:
            if finding.severity != "DEGRADED":
                self._gate.block(finding.code, str(finding))
        return changes

    def _lags(self) -> Iterator[LoopLag]:
        return (probe for probe in self._probes if isinstance(probe, LoopLag))
