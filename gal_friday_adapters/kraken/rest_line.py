"""Asks Kraken's REST in the right order, within its limits, and again where that is safe.

Reads wait for each other and for changes on their way, keep to the counter, and are repeated with growing pauses.
A line's token (LINE) is read once: whoever keeps the line has pauses of its own, and waits for no open circuit beside
them, but for a lockout's.
Changes that make or move an order (PLACE) go out one after the other and are never repeated; those that only reduce
risk (PROTECT) do not mind an open circuit. Cancels (CANCEL) wait for nobody, and are repeated: cancelling twice is
cancelling once.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from gal_friday_adapters.kraken.circuit import Circuit
from gal_friday_adapters.kraken.rest_calls import Credentials, Outcome, RestCalls
from gal_friday_adapters.kraken.rest_memory import RestMemory
from gal_friday_core.errors import ConfigError, ExchangeError, OutcomeUnknownError
from gal_friday_core.kraken.error_codes import Refusal
from gal_friday_core.kraken.rate_counters import PublicPace, RestCounter
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.limits import Tier

Intent = Literal["READ", "LINE", "PLACE", "PROTECT", "CANCEL"]
_ONCE: frozenset[Intent] = frozenset({"LINE", "PLACE", "PROTECT"})
_READS: frozenset[Intent] = frozenset({"READ", "LINE"})
_NEVER_HELD: frozenset[Intent] = frozenset({"PROTECT", "CANCEL"})
_KEY_TROUBLE = frozenset({"INVALID_KEY", "INVALID_SIGNATURE", "AUTHENTICATION"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RestPatience:
    """Seconds, unless named otherwise. A read is tried `attempts` times, with pauses doubling from `retry_s`.

    `limited_s`: after Kraken said that a limit is exceeded. `lockout_s`: after a temporary lockout nothing private
    is asked for so long, but what reduces risk. `circuit_failures` in a row open the circuit.
    """

    timeout_s: float = 10.0
    attempts: int = 4
    retry_s: float = 0.5
    retry_max_s: float = 8.0
    limited_s: float = 5.0
    lockout_s: float = 900.0
    circuit_failures: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RestClock:
    """Time for the line: `now_ns` is UTC, `timer` monotonic in seconds; `jitter` gives numbers in [0, 1)."""

    now_ns: Callable[[], int]
    timer: Callable[[], float]
    jitter: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class RestLine:
    """Public and private calls; the result is raw JSON. `nonce` gives numbers that only grow, `memory` keeps the counter
    over restarts.
    """

    def __init__(
        self,
        calls: RestCalls,
        keys: Credentials | None,
        *,
        nonce: Callable[[], int],
        tier: Tier,
        clock: RestClock,
        patience: RestPatience,
        memory: RestMemory | None = None,
    ) -> None:
        self._calls = calls
        self._keys = keys
        self._nonce = nonce
        self._clock = clock
        self._patience = patience
        self._memory = memory
        self._counter = RestCounter(tier)
        if memory is not None:
            self._counter.resume(memory.left(), self._monotonic_ns())
        self._pace = PublicPace()
        self._circuits = {
            side: Circuit(clock.timer, failures=patience.circuit_failures) for side in ("public", "private")
        }
        self._places = asyncio.Lock()
        reads = asyncio.Lock()
        self._turns: dict[Intent, AbstractAsyncContextManager[None]] = {
            "READ": reads,
            "LINE": reads,
            "PLACE": self._places,
            "PROTECT": self._places,
            "CANCEL": contextlib.nullcontext(),
        }

    async def public(self, method: str, query: Mapping[str, str] | None = None) -> msgspec.Raw:
        """Raises ExchangeError."""

        async def once() -> Outcome:
            return await self._calls.get(f"/0/public/{method}", query or {})

        return await self._repeated(method, "public", "READ", once)

    async def private(
        self,
        method: str,
        fields: Mapping[str, Any] | None = None,
        *,
        intent: Intent = "READ",
        as_json: bool = False,
    ) -> msgspec.Raw:
        """Raises ExchangeError where it was certainly not done, OutcomeUnknownError where a change may have been."""
        keys = self._keys
        if keys is None:
            raise ConfigError(f"{method} needs an API key: set KRAKEN_API_KEY and KRAKEN_API_SECRET")

        async def once() -> Outcome:
            return await self._calls.post(
                f"/0/private/{method}", fields or {}, self._nonce(), keys, as_json=as_json
            )

        return await self._repeated(method, "private", intent, once)

    async def close(self) -> None:
        await self._calls.close()

    async def _repeated(
        self, method: str, side: str, intent: Intent, once: Callable[[], Awaitable[Outcome]]
    ) -> msgspec.Raw:
        circuit = self._circuits[side]
        attempts = 1 if intent in _ONCE else self._patience.attempts
        for attempt in range(1, attempts + 1):
            async with self._turns[intent]:
                await self._admitted(method, side, intent)
                outcome = await once()
            if not isinstance(outcome, Refusal):
                circuit.worked()
                return outcome
            self._learn(outcome, circuit, side)
            if attempt == attempts or not outcome.retry_read:
                raise _error(method, outcome, intent)
            await self._clock.sleep(self._pause_s(outcome, attempt))
        raise AssertionError("the last attempt returns or raises")

    async def _admitted(self, method: str, side: str, intent: Intent) -> None:
        """Wait until the call may be made, and count it. Raises ExchangeError where the circuit is open."""
        circuit = self._circuits[side]
        open_s = circuit.shut_s() if intent == "LINE" else circuit.open_s()
        if open_s and intent not in _NEVER_HELD:
            raise ExchangeError(
                f"Kraken {method} is not asked: it failed too often; next try in {open_s:.0f} s",
                "CIRCUIT_OPEN",
            )
        while intent in _READS and (wait_ns := self._wait_ns(method, side)):
            await self._clock.sleep(wait_ns / SECOND_NS)
        if side == "public":
            self._pace.charge(self._monotonic_ns())
            return
        self._counter.charge(method, self._monotonic_ns())
        self._remember()
        if intent in _READS:
            async with self._places:
                return  # a change is on its way with a lower nonce: it arrives first

    def _wait_ns(self, method: str, side: str) -> int:
        now_ns = self._monotonic_ns()
        return self._counter.wait_ns(method, now_ns) if side == "private" else self._pace.wait_ns(now_ns)

    def _learn(self, outcome: Refusal, circuit: Circuit, side: str) -> None:
        """What an outcome says about the requests after it."""
        if outcome.kind == "LOCKOUT":
            circuit.open_for(self._patience.lockout_s)
        elif outcome.code in _KEY_TROUBLE:
            circuit.open_for(self._patience.limited_s)
        elif outcome.kind in {"UNREACHABLE", "UNKNOWN_OUTCOME"}:
            circuit.failed()
        else:
            circuit.worked()
        if outcome.code == "REST_RATE_LIMIT" and side == "private":
            self._counter.exceeded(self._monotonic_ns())
            self._remember()

    def _pause_s(self, outcome: Refusal, attempt: int) -> float:
        """Doubling, at random between the half and the whole; a limit is given time to drain."""
        patience = self._patience
        longest = min(patience.retry_s * 2.0 ** (attempt - 1), patience.retry_max_s)
        pause = longest * (0.5 + self._clock.jitter() / 2)
        if outcome.code == "THROTTLED" and outcome.detail.isdigit():
            until_ns = int(outcome.detail) * SECOND_NS
            return min(max((until_ns - self._clock.now_ns()) / SECOND_NS, pause), 6 * patience.limited_s)
        return pause + (patience.limited_s if outcome.kind == "RATE_LIMIT" else 0.0)

    def _remember(self) -> None:
        if self._memory is not None:
            self._memory.keep(self._counter.read(self._monotonic_ns()))

    def _monotonic_ns(self) -> int:
        return int(self._clock.timer() * SECOND_NS)


def _error(method: str, outcome: Refusal, intent: Intent) -> ExchangeError | OutcomeUnknownError:
    if intent not in _READS and not outcome.certain:
        return OutcomeUnknownError(
            f"Kraken {method}: {outcome.text}; nobody knows whether it was carried out: query, do not repeat it"
        )
    return ExchangeError(f"Kraken {method}: {outcome.text}{_advice(outcome)}", outcome.code)


def _advice(outcome: Refusal) -> str:
    """What to do, where the exchange's own words do not say."""
    match outcome.kind:
        case "NONCE":
            return " (another program uses this key, or the clock was set back: give this engine a key of its own)"
        case "LOCKOUT":
            return " (nothing private is asked for a while; check the keys and the account)"
        case "AUTH":
            return " (check the API key, its secret and its permissions)"
        case "UNREACHABLE":
            return " (check the address and the network)"
        case _:
            return ""
