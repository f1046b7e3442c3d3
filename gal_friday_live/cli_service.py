"""What an operator may ask of a running engine, whoever carries the words: the control socket or a console (001 §2.12)."""

import asyncio
import shlex
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from gal_friday_core.errors import ConfigError, GalFridayError
from gal_friday_core.recovery import Resumption
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.halt import HaltAction
from gal_friday_live.performance_optimizer import PerformanceOptimizer
from gal_friday_live.tunings import KINDS

HALT_ACTIONS: tuple[HaltAction, ...] = ("CANCEL_ENTRIES", "MAINTAIN_POSITIONS", "LIQUIDATE_POSITIONS")
ACCEPTED = {
    "status": (),
    "positions": (),
    "orders": ("all",),
    "overview": (),
    "explain": ("order",),
    "metrics": (),
    "performance": ("brief",),
    "tune": ("kinds", "block_s", "pairs", "who"),
    "untune": ("tuning", "who"),
    "halt": ("reason", "who", "action"),
    "resume": ("reason", "who"),
    "reload": ("who",),
    "stop": ("who",),
}
"""Commands, and the details that each takes."""

Command = Callable[[Mapping[str, Any]], Awaitable[Any]]


class Monitoring(Protocol):
    """Who halts and resumes."""

    async def trigger_halt(self, reason: str, halt_action: HaltAction) -> None: ...

    async def trigger_resume(self, reason: str, who: str) -> Resumption: ...


class Controller(Protocol):
    """The application as its operator sees it."""

    def status(self) -> dict[str, Any]: ...

    def positions(self) -> dict[str, Any]: ...

    def orders(self, *, ended: bool) -> list[dict[str, Any]]: ...

    async def overview(self) -> dict[str, Any]: ...

    async def explain(self, order: str) -> dict[str, Any]: ...

    def metrics(self) -> dict[str, Any]: ...

    @property
    def optimizer(self) -> PerformanceOptimizer: ...

    async def reload(self, who: str) -> dict[str, Any]: ...

    def request_stop(self, who: str) -> None: ...


class CLIService:
    """`answer` serves the control socket; `handle_command` takes a typed line and says its outcome.

    `arguments` are those of the program, `say` hears what `handle_command` has to tell.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        monitoring_service: Monitoring,
        main_app_controller: Controller,
        *,
        arguments: Sequence[str] | None = None,
        say: Callable[[str], object] = sys.stdout.write,
    ) -> None:
        del config
        self._monitoring = monitoring_service
        self._controller = main_app_controller
        self._arguments = sys.argv[1:] if arguments is None else arguments
        self._say = say
        self._working: set[asyncio.Task[None]] = set()
        self._commands: dict[str, Command] = {
            "status": self._status,
            "positions": self._positions,
            "orders": self._orders,
            "overview": self._overview,
            "explain": self._explain,
            "metrics": self._metrics,
            "performance": self._performance,
            "tune": self._tune,
            "untune": self._untune,
            "halt": self._halt,
            "resume": self._resume,
            "reload": self._reload,
            "stop": self._stop,
        }

    def parse_args(self) -> dict[str, Any]:
        """The options of `gal-friday live` by name, defaults included. Raises ConfigError for what it does not know."""
        from gal_friday_live.commands.live import parse

        return parse(self._arguments)

    def handle_command(self, command: str) -> None:
        """Carry out a line such as `resume --reason "feed is back" --who ada`, in the running event loop."""
        task = asyncio.get_running_loop().create_task(self._carry_out(command), name=f"command {command}")
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def answer(self, request: Mapping[str, Any]) -> Any:
        """The result of a request, JSON-able. Raises ConfigError for what is no command, or a refused one."""
        name = request.get("command")
        command = self._commands.get(str(name))
        if command is None:
            raise ConfigError(f"unknown command {name!r}: use {', '.join(self._commands)}")
        details = {key: value for key, value in request.items() if key != "command"}
        unknown = sorted(details.keys() - set(ACCEPTED[str(name)]))
        if unknown:
            raise ConfigError(f"{name} does not take {', '.join(unknown)}")
        return await command(details)

    async def _carry_out(self, line: str) -> None:
        try:
            self._say(f"{await self.answer(request_of(line))}\n")
        except GalFridayError as error:
            self._say(f"{error}\n")

    async def _status(self, _: Mapping[str, Any]) -> Any:
        return self._controller.status()

    async def _positions(self, _: Mapping[str, Any]) -> Any:
        return self._controller.positions()

    async def _orders(self, details: Mapping[str, Any]) -> Any:
        return {"orders": self._controller.orders(ended=details.get("all") is True)}

    async def _overview(self, _: Mapping[str, Any]) -> Any:
        return await self._controller.overview()

    async def _explain(self, details: Mapping[str, Any]) -> Any:
        return await self._controller.explain(_text(details, "order"))

    async def _metrics(self, _: Mapping[str, Any]) -> Any:
        return self._controller.metrics()

    async def _performance(self, details: Mapping[str, Any]) -> Any:
        if details.get("brief") is True:
            return self._controller.optimizer.progress()
        return await self._controller.optimizer.get_performance_report()

    async def _tune(self, details: Mapping[str, Any]) -> Any:
        changes = dict(details)
        changes["who"] = _text(changes, "who", "operator")
        kinds = changes.pop("kinds", None) or KINDS
        if not set(kinds) <= set(KINDS):
            raise ConfigError(f"unknown kinds of tunings {kinds!r}: use {', '.join(KINDS)}")
        return self._controller.optimizer.start(kinds, **changes)

    async def _untune(self, details: Mapping[str, Any]) -> Any:
        return await self._controller.optimizer.undo(
            _text(details, "tuning"), who=_text(details, "who", "operator")
        )

    async def _halt(self, details: Mapping[str, Any]) -> Any:
        action = details.get("action", "CANCEL_ENTRIES")
        if not isinstance(action, str) or action not in HALT_ACTIONS:
            raise ConfigError(f"unknown halt action {action!r}: use {', '.join(HALT_ACTIONS)}")
        who = _text(details, "who", "operator")
        reason = _text(details, "reason", "asked for by the operator")
        await self._monitoring.trigger_halt(f"MANUAL by {who}: {reason}", action)
        return self._controller.status()

    async def _resume(self, details: Mapping[str, Any]) -> Any:
        outcome = await self._monitoring.trigger_resume(
            _text(details, "reason", ""), _text(details, "who", "")
        )
        if not outcome.resumed:
            raise ConfigError(_refused(outcome))
        return self._controller.status()

    async def _reload(self, details: Mapping[str, Any]) -> Any:
        return await self._controller.reload(_text(details, "who", "operator"))

    async def _stop(self, details: Mapping[str, Any]) -> Any:
        self._controller.request_stop(_text(details, "who", "operator"))
        return {"stopping": True}


def request_of(line: str) -> dict[str, Any]:
    """A typed line as a request.

    >>> request_of("resume --reason 'feed is back' --who ada")
    {'command': 'resume', 'reason': 'feed is back', 'who': 'ada'}
    >>> request_of("orders --all"), request_of("explain 7f")
    ({'command': 'orders', 'all': True}, {'command': 'explain', 'order': '7f'})
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ConfigError(f"{line!r} is no command: {error}") from None
    request: dict[str, Any] = {"command": words[0] if words else ""}
    rest = words[1:]
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            request["order"] = word
        elif word == "--all":
            request["all"] = True
        elif rest:
            request[word[2:]] = rest.pop(0)
        else:
            raise ConfigError(f"{word} needs a value")
    return request


def _text(details: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = details.get(name, default)
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be given as text")
    return value


def _refused(outcome: Resumption) -> str:
    """Why trading did not resume, with every check that does not hold."""
    words = {
        "NOT_HALTED": "the engine is not halted",
        "REASON_MISSING": "say why with --reason",
        "WHO_MISSING": "say who you are with --who",
        "CHECKLIST_NOT_CLEAN": "not everything is in order",
        "NOT_DURABLE": "the journal does not take it",
        "HALTED_AGAIN": "a halt came meanwhile",
    }
    problems = "; ".join(f"{check.name}: {check.problem}" for check in outcome.problems)
    said = words.get(outcome.refusal, outcome.refusal)
    return f"not resumed: {outcome.refusal}: {said}{f' ({problems})' if problems else ''}"
