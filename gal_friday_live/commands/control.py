"""Commands to a running engine: status, positions, orders, halt, resume, reload, stop; and `explain`, which needs none."""

import asyncio
import getpass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gal_friday_live.commands.common import ConfigOption, JsonOption, load_config, print_json
from gal_friday_live.commands.engines import EnginesOption, doors
from gal_friday_live.commands.recorded import explained, known, say_age, without_sessions
from gal_friday_live.commands.shown import show, table

COLUMNS = (
    "client_order_id",
    "pair",
    "purpose",
    "side",
    "type",
    "status",
    "quantity",
    "filled",
    "average_price",
)

SessionOption = Annotated[
    str | None,
    typer.Option(
        help="The account's session, or how its id begins; by default the running engine's, else the last to write.",
        show_default=False,
    ),
]
WhoOption = Annotated[
    str | None,
    typer.Option(help="Who asks; kept in the journal. Your login name if left out.", show_default=False),
]


def status(session: SessionOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what the engine does: state, model, counts, equity, what keeps entries back. Where none runs: how it ended."""
    found = known(config, "status", session)
    if not as_json:
        say_age(found)
        found = without_sessions(found)
    show(found, as_json=as_json)


def positions(
    session: SessionOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show cash and positions, each with what protects it; from the journal where no engine runs."""
    state = known(config, "positions", session)
    if as_json:
        print_json(state)
        return
    say_age(state)
    held = state.pop("positions")
    show(without_sessions(state), as_json=False)
    table([{"pair": pair, **position} for pair, position in held.items()], "No open positions.")


def orders(
    everything: Annotated[bool, typer.Option("--all", help="Ended orders too.")] = False,
    session: SessionOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List open orders by client order id; `explain` takes that id. From the journal where no engine runs."""
    found = known(config, "orders", session, all=everything)
    if as_json:
        print_json(found)
        return
    say_age(found)
    shown = [{name: order[name] for name in COLUMNS} for order in found["orders"]]
    table(shown, "No orders." if everything else "No open orders; --all shows those that ended.")


def halt(
    reason: Annotated[str, typer.Option(help="Why; kept in the journal.")] = "asked for by the operator",
    who: WhoOption = None,
    liquidate: Annotated[
        bool,
        typer.Option(
            "--liquidate", help="Also sell every position at market; by default they are kept, protected."
        ),
    ] = False,
    engine: EnginesOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop all entries at once, cancel those that wait, keep protective stops. It holds across restarts.

    With --engine for each role of a split engine, all of them; each is resumed by itself.
    """
    action = "LIQUIDATE_POSITIONS" if liquidate else "CANCEL_ENTRIES"
    told = {"reason": reason, "who": who or getpass.getuser(), "action": action}
    show(_halt_all(config, engine, told) if engine else _ask(config, "halt", **told), as_json=as_json)


def resume(
    reason: Annotated[
        str, typer.Option(help="Why trading may go on; kept in the journal.", show_default=False)
    ],
    who: WhoOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Trade again after a halt; refused until the recovery checklist holds, reconciliation first of all."""
    show(_ask(config, "resume", reason=reason, who=who or getpass.getuser()), as_json=as_json)


def reload(who: WhoOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Read the configuration again: limits that are tighter hold at once. One that is looser refuses all of it."""
    told = _ask(config, "reload", who=who or getpass.getuser())
    if as_json:
        print_json(told)
        return
    table(told["taken"], "No limit is tighter than before.")
    if told["next_start"]:
        Console(highlight=False).print(
            f"Changed, and waiting for the next start: {', '.join(told['next_start'])}"
        )


def stop(who: WhoOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """End the running engine in order. Protective stops stay at the exchange."""
    show(_ask(config, "stop", who=who or getpass.getuser()), as_json=as_json)


def explain(
    order: Annotated[
        str, typer.Argument(metavar="ORDER", help="Client order id, or the exchange's.", show_default=False)
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell why an order was placed: signal, prediction, model, features, training data, code."""
    story = explained(config, order)
    if as_json:
        print_json(story)
        return
    features = story.pop("features", None) or {}
    for name in ("order", "signal", "prediction", "model"):
        show({"": name, **(story.pop(name, None) or {"": "unknown"})}, as_json=False)
    reports = story.pop("reports", [])
    story.pop("fills", None)
    show(story, as_json=False)
    table(
        [
            {"at": told["at"], "status": told["order_status"], "filled": told["quantity_filled"]}
            for told in reports
        ],
        "No reports.",
    )
    table([{"feature": name, "value": value} for name, value in features.items()], "No feature vector.")


def _halt_all(config: Path | None, engines: list[Path], told: dict[str, str]) -> dict[str, Any]:
    """Raises StorageError that names who is not halted, and who is."""
    from gal_friday_live.dashboard.actions import ANSWERS_WITHIN_S, halt_all

    asked = doors(load_config(config).config, engines)
    asyncio.run(halt_all(asked, timeout_s=ANSWERS_WITHIN_S, **told))
    return {"halted": [door.name for door in asked]}


def _ask(config: Path | None, command: str, **details: Any) -> Any:
    from gal_friday_adapters.paths import data_dir
    from gal_friday_live.control_socket import ask, control_path

    path = control_path(data_dir(load_config(config).config))
    return asyncio.run(ask(path, command, **details))
