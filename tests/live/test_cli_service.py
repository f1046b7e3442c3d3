"""What an operator may say to a running engine, and what is answered."""

import asyncio

import pytest

from gal_friday_core.errors import ConfigError
from gal_friday_core.recovery import Check, Resumption
from gal_friday_live.cli_service import CLIService
from tests.live.world import manager


class Engine:
    """Both who watches and who controls; remembers what it was told."""

    def __init__(self, outcome=None):
        self.outcome = outcome or Resumption()
        self.heard = []

    async def trigger_halt(self, reason, halt_action):
        self.heard.append(("halt", reason, halt_action))

    async def trigger_resume(self, reason, who):
        self.heard.append(("resume", reason, who))
        return self.outcome

    def status(self):
        return {"trading": "ACTIVE"}

    def positions(self):
        return {"positions": {}}

    def orders(self, *, ended):
        return [{"client_order_id": "a", "ended": ended}]

    async def explain(self, order):
        return {"client_order_id": order}

    def metrics(self):
        return {"readings": {}}

    async def reload(self, who):
        self.heard.append(("reload", who))
        return {"taken": []}

    def request_stop(self, who):
        self.heard.append(("stop", who))


def service(engine=None, said=None, arguments=()):
    engine = engine or Engine()
    say = said.append if said is not None else print
    return CLIService(manager(), engine, engine, arguments=arguments, say=say)


async def test_questions_are_answered():
    asked = service()
    assert await asked.answer({"command": "status"}) == {"trading": "ACTIVE"}
    assert await asked.answer({"command": "positions"}) == {"positions": {}}
    assert await asked.answer({"command": "explain", "order": "7f"}) == {"client_order_id": "7f"}
    assert await asked.answer({"command": "metrics"}) == {"readings": {}}


@pytest.mark.parametrize(("details", "ended"), [({}, False), ({"all": True}, True), ({"all": "yes"}, False)])
async def test_ended_orders_are_listed_on_request(details, ended):
    told = await service().answer({"command": "orders", **details})
    assert told == {"orders": [{"client_order_id": "a", "ended": ended}]}


async def test_a_halt_names_who_asked_and_why_and_keeps_protection_by_default():
    engine = Engine()
    await service(engine).answer({"command": "halt", "reason": "a strange fill", "who": "ada"})
    await service(engine).answer({"command": "halt", "action": "LIQUIDATE_POSITIONS"})
    assert engine.heard == [
        ("halt", "MANUAL by ada: a strange fill", "CANCEL_ENTRIES"),
        ("halt", "MANUAL by operator: asked for by the operator", "LIQUIDATE_POSITIONS"),
    ]


async def test_a_reload_names_who_asked():
    engine = Engine()
    assert await service(engine).answer({"command": "reload", "who": "ada"}) == {"taken": []}
    assert engine.heard == [("reload", "ada")]


async def test_resuming_passes_reason_and_name_on():
    engine = Engine()
    assert await service(engine).answer({"command": "resume", "reason": "it is back", "who": "ada"}) == {
        "trading": "ACTIVE"
    }
    assert engine.heard == [("resume", "it is back", "ada")]


async def test_a_refused_resumption_names_every_check_that_does_not_hold():
    checks = (
        Check("STORAGE"),
        Check("RECONCILIATION_CLEAN", "0.1 BTC are missing"),
        Check("CLOCK", "2 s off"),
    )
    engine = Engine(Resumption(refusal="CHECKLIST_NOT_CLEAN", checks=checks))
    told = r"CHECKLIST_NOT_CLEAN: .*\(RECONCILIATION_CLEAN: 0\.1 BTC are missing; CLOCK: 2 s off\)$"
    with pytest.raises(ConfigError, match=told):
        await service(engine).answer({"command": "resume", "reason": "", "who": "ada"})


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"command": "sell everything"}, "unknown command 'sell everything': use status, positions"),
        ({}, "unknown command None"),
        ({"command": "status", "verbose": True}, "status does not take verbose"),
        ({"command": "halt", "action": "PANIC"}, "unknown halt action 'PANIC'"),
        ({"command": "halt", "reason": 7}, "reason must be given as text"),
        ({"command": "explain"}, "order must be given as text"),
    ],
)
async def test_what_is_no_command_is_refused_with_a_hint(request_, told):
    engine = Engine()
    with pytest.raises(ConfigError, match=told):
        await service(engine).answer(request_)
    assert engine.heard == []


async def test_a_typed_line_is_carried_out_and_its_outcome_said():
    engine, said = Engine(), []
    console = service(engine, said)
    console.handle_command("stop --who ada")
    console.handle_command("orders --nonsense")
    console.handle_command("resume --reason 'unfinished")
    await asyncio.gather(*console._working)
    assert engine.heard == [("stop", "ada")]
    assert said[0] == "{'stopping': True}\n"
    assert "needs a value" in said[1]
    assert "No closing quotation" in said[2]


def test_the_programs_own_arguments_are_parsed():
    options = service(arguments=["live", "--mode", "paper", "--seconds", "5"]).parse_args()
    assert (options["mode"], options["seconds"], options["venue"]) == ("paper", 5.0, None)
