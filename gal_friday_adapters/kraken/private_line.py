"""One connection to Kraken's private websocket v2, from its first message to its last.

It subscribes to executions and balances with the token it was given, and checks that no message of either is
missing: their sequence counts up by one from the snapshot on. Where a number is skipped, or something came that
nobody can read, the channel is asked for anew and the gap is told: what was missed REST must tell. It never
waits: `check`, called often, does what is due.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from gal_friday_adapters.kraken.line import HOPELESS, PING
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_core.errors import ContractError
from gal_friday_core.kraken import order_requests, private_wire, wire
from gal_friday_core.kraken.error_codes import Refusal, refusal
from gal_friday_core.kraken.exchange_time import ExchangeTime
from gal_friday_core.ports import Connection

CHANNELS = ("executions", "balances")


class PrivateSink(Protocol):
    """Who hears what the private line says. Calls are synchronous, in the order of the wire."""

    def on_executions(self, message: private_wire.ExecutionsMessage) -> None: ...

    def on_balances(self, message: private_wire.BalancesMessage) -> None: ...

    def on_answer(self, response: private_wire.Response) -> None:
        """The answer to an order method."""
        ...

    def on_threshold(self, maxratecount: int) -> None:
        """What Kraken's engine allows this account in a pair."""
        ...

    def on_gap(self, reason: str) -> None:
        """Something was missed; the line stands again once new snapshots are there."""
        ...

    def on_status(self, system: str) -> None:
        """The exchange's own state: online, cancel_only, post_only, maintenance."""
        ...


@dataclass(slots=True)
class _Channel:
    """`last` is None until a snapshot came; `due` is when it must have. `doubtful` tells of a gap that was not asked for."""

    due: float
    last: int | None = None
    doubtful: bool = False
    asked: float = float("-inf")


class PrivateLine:
    """Hears one connection (`ports.Listener`). `refused` is set where the exchange says no to the subscription. `time`
    learns from the stamps of answers.
    """

    def __init__(
        self,
        token: str,
        sink: PrivateSink,
        *,
        patience: Patience,
        timer: Callable[[], float],
        ended: Callable[[], None],
        time: ExchangeTime | None = None,
    ) -> None:
        self._time = time
        self._token = token
        self._sink = sink
        self._patience = patience
        self._timer = timer
        self._ended = ended
        self._connection: Connection | None = None
        self._requests = 0
        self._nonsense = 0
        self._pinged = False
        now = timer()
        self._channels = {name: _Channel(due=now + patience.answer_s) for name in CHANNELS}
        self.heard = self._checked = now
        self.closed: str | None = None
        self.refused: Refusal | None = None
        self._on: dict[type, Callable[[Any], None]] = {
            private_wire.ExecutionsMessage: self._on_executions,
            private_wire.BalancesMessage: self._on_balances,
            private_wire.Response: self._on_answer,
            wire.Acknowledgement: self._on_acknowledgement,
            wire.StatusMessage: self._on_status,
            wire.Pong: self._on_stamped,
        }

    @property
    def is_open(self) -> bool:
        """Whether bytes given to `send` reach the connection."""
        return self._connection is not None

    @property
    def stands(self) -> bool:
        """Whether it is open, and the snapshots of both channels are there."""
        if self._connection is None:
            return False
        for channel in self._channels.values():  # noqa: SIM110 - on the path of every order, where `all` costs twice
            if channel.last is None:
                return False
        return True

    def ask(self, build: Callable[[str, int], bytes]) -> int:
        """Send what `build` makes of the token and a request number; returns the number.

        Raises ExchangeError where `build` does, before anything is sent. The line must be open.
        """
        assert self._connection is not None, "nobody asks on a line that is down"
        number = self._requests + 1
        message = build(self._token, number)
        self._requests = number
        if self._time is not None:
            self._time.asked(number)
        self._connection.send(message)
        return number

    # The connection

    def opened(self, connection: Connection) -> None:
        self._connection = connection
        self.heard = self._checked = self._timer()
        for name in CHANNELS:
            self._subscribe(name)

    def on_message(self, raw: bytes) -> None:
        self.heard = self._timer()
        self._pinged = False
        try:
            message = private_wire.decode(raw)
        except ContractError as error:
            self._on_nonsense(error)
            return
        self._nonsense = 0
        take = self._on.get(type(message))
        if take is not None:
            take(message)

    def on_closed(self, reason: str) -> None:
        self.closed = self.closed or reason
        self._connection = None
        self._ended()

    def give_up(self, reason: str) -> None:
        """End the line from this side."""
        self.closed = self.closed or reason
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._ended()

    def check(self) -> None:
        """What the passing of time demands: a sign of life, and snapshots."""
        now = self._timer()
        held_up = now - self._checked > self._patience.silence_s / 2
        self._checked = now
        if held_up or not self.is_open:
            return  # the silence may be our own: first read what came meanwhile
        silent_s = now - self.heard
        if silent_s >= self._patience.silence_s:
            self.give_up(f"silent for {silent_s:.2f} s")
            return
        if silent_s >= self._patience.silence_s / 2 and not self._pinged:
            self._pinged = True
            self.ask(lambda _token, _number: PING)
        for name, channel in self._channels.items():
            if channel.last is None and now >= channel.due:
                self.give_up(f"no snapshot of {name} in {self._patience.answer_s} s")
                return
            if channel.doubtful and now - channel.asked >= self._patience.answer_s:
                self._renew(name, f"{name}: its numbers do not follow")

    # What comes

    def _on_executions(self, message: private_wire.ExecutionsMessage) -> None:
        if self._follows("executions", message.type, message.sequence):
            self._sink.on_executions(message)

    def _on_balances(self, message: private_wire.BalancesMessage) -> None:
        if self._follows("balances", message.type, message.sequence):
            self._sink.on_balances(message)

    def _follows(self, name: str, kind: str, sequence: int) -> bool:
        """Whether the message is new. After a gap it is, and the channel is asked for anew."""
        channel = self._channels[name]
        if kind == "snapshot":
            channel.last, channel.doubtful = sequence, False
            return True
        if channel.last is None or channel.doubtful:
            return True  # on its way while the channel was asked for anew: its snapshot is still to come
        if sequence <= channel.last:
            return False
        expected, channel.last = channel.last + 1, sequence
        if sequence != expected:
            self._renew(name, f"{name}: {sequence} came after {expected - 1}")
        return True

    def _renew(self, name: str, reason: str) -> None:
        """Ask for a channel anew; not again before the last attempt had its time."""
        channel = self._channels[name]
        now = self._timer()
        if now - channel.asked >= self._patience.answer_s:
            channel.asked = now
            channel.last, channel.doubtful = None, False
            channel.due = now + self._patience.answer_s
            self.ask(lambda token, number: order_requests.unsubscribe(name, token=token, req_id=number))
            self._subscribe(name)
        else:
            # It may be a straggler of the subscription before: to count on from it would make all that this one sends,
            # until it has counted as far, seem heard already.
            channel.doubtful = True
        self._sink.on_gap(reason)

    def _subscribe(self, name: str) -> None:
        """The last fifty fills come with the executions: most gaps are shorter."""
        ask = (
            order_requests.subscribe_executions if name == "executions" else order_requests.subscribe_balances
        )
        self.ask(lambda token, number: ask(token=token, req_id=number))

    def _on_stamped(self, answer: private_wire.Response | wire.Acknowledgement | wire.Pong) -> None:
        if self._time is not None:
            self._time.answered(answer.req_id, answer.time_in, answer.time_out)

    def _on_acknowledgement(self, answer: wire.Acknowledgement) -> None:
        self._on_stamped(answer)
        if not answer.success:
            if answer.method == "subscribe":
                self.refused = refusal(answer.error or "no reason given")
                self.give_up(f"refused: {self.refused}")
            return
        if answer.result is not None and answer.result.maxratecount is not None:
            self._sink.on_threshold(answer.result.maxratecount)

    def _on_answer(self, answer: private_wire.Response) -> None:
        """A worn-out token is of no more use to anything: the next line comes with another."""
        self._on_stamped(answer)
        self._sink.on_answer(answer)
        if not answer.success and refusal(answer.error or "").kind == "SESSION":
            self.give_up(f"{answer.method} refused: {answer.error}")

    def _on_status(self, message: wire.StatusMessage) -> None:
        for status in message.data:
            self._sink.on_status(status.system)

    def _on_nonsense(self, error: ContractError) -> None:
        """A message that cannot be read may have been any."""
        self._nonsense += 1
        if self._nonsense >= HOPELESS:
            self.give_up(f"{HOPELESS} messages in a row that are not Kraken's")
            return
        for name in CHANNELS:
            self._renew(name, str(error))
