"""What the roles of a split engine say is shown as one account, and what nobody says as missing."""

import asyncio
import io
import json
from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_live.cli import app
from gal_friday_live.control_socket import ControlSocket, control_path
from gal_friday_live.dashboard.actions import Actions, halt_all
from gal_friday_live.dashboard.doors import doors_of
from gal_friday_live.dashboard.figures import at
from gal_friday_live.dashboard.messages import halted_roles, shape
from gal_friday_live.dashboard.one_account import lacking, one_account
from gal_friday_live.dashboard.state import headline
from gal_friday_live.dashboard.view import Reading
from gal_friday_live.top_screen import Screen
from tests.bounded import PATIENCE_S
from tests.live.dashboard_room import OVERVIEW
from tests.live.world import manager

SECOND_NS = 10**9
HAS = {"trader": ("orders", "stops"), "decision": ("risk",), "alpha": ()}
COUNTS = {
    "trader": ("orders", "open_orders", "unknown_orders"), "decision": ("approved", "rejected", "rejected_by"),
    "alpha": ("predictions", "proposed"),
}  # fmt: skip
LIMITS = {name: value for name, value in OVERVIEW["risk"].items() if name != "stop_loss"}
SIDE = {
    "held": "0.05",
    "worth": "2512.5",
    "buying": "0",
    "if_bought": "2512.5",
    "selling": "0",
    "if_sold": "0.05",
}
STOPS = {
    "stop_loss": "25", "stop_loss_share": "0.0025",
    "sides": {"BTC/USD": {"stop_loss": "25", "unprotected": "0.01"}},
}  # fmt: skip


def said(role, *, name="", session="5e551017", at_s=1, counts=None, **engine):
    """What a role answers to `overview`, at this second."""
    known = {
        key: OVERVIEW["engine"][key] for key in OVERVIEW["engine"] if key not in ("models", "line_losses")
    }
    own = {"trader": {"line_losses": 0}, "decision": {}, "alpha": {"models": ["m@v1"], "override": None}}[
        role
    ]
    told = {
        **{key: OVERVIEW[key] for key in ("market", "bus", "health", "account", "positions")},
        "engine": {**known, **own, "market_ended": False, "session": session, "role": role, "name": name or role, **engine},
        "counts": {"bars": 10, "fills": 1, **{key: OVERVIEW["counts"][key] for key in COUNTS[role] if key in OVERVIEW["counts"]}, **(counts or {})},
        "strands": {"waiting": 3, "oldest_s": 0.25, "handled_p99_s": 0.5, "done": 7, "failed": 0},
        "measured": {"loop": {"lag_p99_seconds": 0.004}},
    }  # fmt: skip
    told |= {key: {"orders": [], "stops": STOPS, "risk": {**LIMITS, "sides": {"BTC/USD": SIDE, "ETH/USD": SIDE}}}[key] for key in HAS[role]}  # fmt: skip
    return Reading("live", 0, told, at_s * SECOND_NS)


def desk(**changes):
    return one_account({"t": said("trader"), "d": said("decision"), "a": said("alpha"), **changes})


def gone(reading, state="gone"):
    return replace(reading, state=state, since_ns=5 * SECOND_NS, problem="nobody is there")


def drawn(reading, width=132):
    console = Console(file=io.StringIO(), width=width, height=40, force_terminal=False)
    console.print(Screen(reading, 0))
    return console.file.getvalue()


def test_a_whole_engine_is_shown_as_it_is():
    whole = Reading("live", 0, OVERVIEW, 0)
    assert one_account({"data": whole}) is whole


def test_each_part_comes_from_whoever_it_is_the_business_of():
    found = desk(b=said("alpha", name="eth", models=["e@v1"], counts={"proposed": 5}))
    told = found.metrics
    assert (found.state, found.at_ns, headline(found).word) == ("live", SECOND_NS, "TRADING")
    assert told["counts"] == {
        "bars": 10, "predictions": 18, "proposed": 7, "approved": 1, "rejected": 1, "rejected_by": {"STALE": 1},
        "orders": 1, "open_orders": 1, "unknown_orders": 0, "fills": 1,
    }  # fmt: skip
    assert told["engine"]["models"] == ["m@v1", "e@v1"]
    assert told["risk"]["stop_loss"] == "25"
    assert told["risk"]["sides"]["BTC/USD"] == {**SIDE, **STOPS["sides"]["BTC/USD"]}
    assert told["risk"]["sides"]["ETH/USD"]["unprotected"] == "0"
    assert told["lacking"] == {}
    assert [one["title"] for one in told["roles"].values()] == [
        "trader", "decision maker", "alpha", "alpha eth"
    ]  # fmt: skip
    assert at(told, "roles.b.strands.waiting") == 3


@pytest.mark.parametrize(
    ("door", "role", "word", "part"),
    [("t", "trader", "TRADER", "orders"), ("d", "decision", "DECISION MAKER", "risk"), ("a", "alpha", "ALPHA", None)],
)  # fmt: skip
def test_a_role_that_is_gone_is_told_first_and_its_part_is_missing(door, role, word, part):
    whole = desk()
    last = {"t": said("trader"), "d": said("decision"), "a": said("alpha")}[door]
    for state, how in (("gone", "STOPPED"), ("hung", "SILENT")):
        found = desk(**{door: gone(last, state)})
        assert headline(found).word == f"{word} {how}"
        assert "00:00:05" in headline(found).detail
        assert part not in found.metrics
        assert "does not answer since 1970-01-01 00:00:05 UTC" in lacking(found.metrics, role)
        assert found.metrics["lacking"].keys() == {role}
        assert shape(found) != shape(whole)
        assert "account" in found.metrics  # others hold the same books
        assert "engine" not in found.metrics["roles"][door]
        assert "NOT HEARD" in drawn(found)


def test_a_standby_that_took_over_stands_in_for_the_one_that_is_gone():
    found = desk(t=gone(said("trader")), s=said("trader", at_s=9))
    assert headline(found).word == "TRADING"
    assert found.metrics["lacking"] == {}
    assert found.metrics["roles"]["t"]["state"] == "gone"


def test_who_never_answered_is_missing_and_a_role_alone_is_called_by_its_name():
    found = desk(d=Reading("gone", 0))
    assert (headline(found).word, headline(found).tone) == ("NO DECISION MAKER", "warn")
    assert "not connected: decision maker" in drawn(found)
    assert lacking(found.metrics, "decision") == "the decision maker is not connected: nobody answers at d"
    alone = one_account({"a": said("alpha")})
    assert lacking(alone.metrics, "trader") == (
        "the trader is not connected: --engine names its data directory"
    )
    assert (headline(alone).word, headline(alone).detail) == ("TRADING", "paper alpha")
    text = drawn(alone)
    assert text.count("Not known: the trader is not connected") == 1
    assert "Not known: the decision maker is not" in text


def test_halts_are_named_by_role_and_one_reason_once():
    halt = {"state": "HALTED", "halted": True, "halt_reason": "MANUAL by ada: lunch"}
    found = desk(t=said("trader", **halt), a=said("alpha", **halt))
    assert headline(found).word == "HALTED"
    assert headline(found).detail == "trader, alpha: MANUAL by ada: lunch"
    assert halted_roles(found) == [("t", "trader"), ("a", "alpha")]
    lost = desk(t=said("trader", **halt), a=gone(said("alpha")))
    assert (headline(lost).word, headline(lost).halted) == ("ALPHA STOPPED", True)


def test_blocks_and_findings_are_told_once_with_whose_they_are():
    block = {"code": "FEED_STALE", "pair": "BTC/USD", "why": "no word for 9 s"}
    found = desk(
        t=said("trader", blocks=[block]), d=said("decision", blocks=[block], findings=["LOOP_LAG: 1 s"])
    )
    assert found.metrics["engine"]["blocks"] == [{**block, "why": "no word for 9 s (trader, decision maker)"}]
    assert found.metrics["engine"]["findings"] == ["LOOP_LAG: 1 s (decision maker)"]


def test_a_role_of_another_account_is_named_and_never_mixed_in():
    found = desk(d=said("decision", session="0ther000"))
    assert "risk" not in found.metrics
    assert found.metrics["roles"]["d"]["foreign"]
    assert found.metrics["engine"]["findings"] == [
        "OTHER_ACCOUNT: d is of session 0ther000, and nothing of it is shown here"
    ]


def test_when_nobody_answers_the_last_numbers_stay_with_their_age():
    found = desk(t=gone(said("trader")), d=gone(said("decision", at_s=3)), a=gone(said("alpha"), "hung"))
    assert (found.state, found.at_ns, found.since_ns) == ("hung", 3 * SECOND_NS, 5 * SECOND_NS)
    assert headline(found).word == "ENGINE SILENT"
    assert found.metrics["account"]["equity"] == "10000.00"


def test_roles_stand_on_the_terminal_with_what_waits_for_each():
    text = drawn(desk())
    for word in ("decision maker", "250 ms", "500 ms", "10,000.00 USD", "m@v1"):
        assert word in text, word
    assert drawn(desk(), width=80)


class Halting:
    """A role's door: keeps what it was asked."""

    def __init__(self):
        self.asked = []

    async def answer(self, request):
        self.asked.append((request["command"], request["reason"]))
        return {}


async def test_halt_goes_to_all_roles_and_says_who_did_not_hear_and_each_is_resumed_by_name(tmp_path):
    own = manager(storage={"data_dir": tmp_path / "own"})
    folders = [tmp_path / name for name in ("trader", "alpha")]
    for folder in folders:
        folder.mkdir()
    asked = doors_of(own.config, folders)
    trader, alpha = Halting(), Halting()
    actions = Actions(own, asked, now_ns=lambda: 0)
    async with ControlSocket(asked[0].path, trader.answer):
        with pytest.raises(StorageError, match=r"^alpha: no engine is running .*\. Halted: trader$"):
            await actions.perform("halt", {"reason": "fire"}, "s")
        async with ControlSocket(asked[1].path, alpha.answer):
            told = await actions.perform("halt", {"reason": "fire"}, "s")
            assert told["said"].startswith("Halted (trader, alpha): no new entries")
            again = {"word": "RESUME", "reason": "out"}
            for unknown in ({}, {"engine": "dm"}):
                with pytest.raises(ConfigError, match="say which role may trade again: trader, alpha"):
                    await actions.perform("resume", {**again, **unknown}, "s")
            assert (await actions.perform("resume", {**again, "engine": "alpha"}, "s"))["said"] == (
                "The alpha trades again."
            )
            ran = await asyncio.to_thread(
                CliRunner().invoke, app,
                ["halt", "--reason", "drill", "--json", *(f"--engine={folder}" for folder in folders)],
            )  # fmt: skip
            assert json.loads(ran.stdout) == {"halted": ["trader", "alpha"]}
    assert trader.asked == [("halt", "fire"), ("halt", "fire"), ("halt", "drill")]
    assert alpha.asked == [("halt", "fire"), ("resume", "out"), ("halt", "drill")]
    lines = (tmp_path / "own/logs/dashboard-actions.jsonl").read_text().splitlines()
    assert len(lines) == 5
    assert "Halted: trader" in lines[0]


async def relay(here, there):
    """What `ssh -L here:there` does: whoever comes to one socket talks to the other."""

    async def pipe(reader, writer):
        while said := await reader.read(65_536):
            writer.write(said)
            await writer.drain()
        writer.close()

    async def talk(reader, writer):
        far_reader, far_writer = await asyncio.open_unix_connection(there)
        await asyncio.gather(pipe(reader, far_writer), pipe(far_reader, writer))

    return await asyncio.start_unix_server(talk, here)


async def test_a_role_on_another_machine_is_asked_through_a_socket_that_is_brought_over(tmp_path):
    far, seen = tmp_path / "far", tmp_path / "seen"
    for folder in (far, seen):
        folder.mkdir()
    role, (door,) = Halting(), doors_of(manager().config, [seen])
    async with (
        ControlSocket(control_path(far), role.answer),
        await relay(door.path, control_path(far)),
    ):
        await halt_all([door], reason="fire", who="ada", timeout_s=PATIENCE_S)
    assert role.asked == [("halt", "fire")]


def test_doors_are_named_by_their_folders(tmp_path):
    for name in ("one/trader", "two/trader", "alpha"):
        (tmp_path / name).mkdir(parents=True)
    config = manager(storage={"data_dir": tmp_path / "own"}).config
    (own,) = doors_of(config)
    assert own == ("own", control_path(tmp_path / "own"))
    given = doors_of(
        config, [tmp_path / "one/trader", tmp_path / "two/trader", tmp_path / "alpha", tmp_path / "alpha"]
    )
    assert [door.name for door in given] == [
        str(tmp_path / "one/trader"),
        str(tmp_path / "two/trader"),
        "alpha",
    ]
    with pytest.raises(ConfigError, match="no such directory"):
        doors_of(config, [tmp_path / "nowhere/trader"])
    assert doors_of(config, [tmp_path / "later"])[0].name == "later"
