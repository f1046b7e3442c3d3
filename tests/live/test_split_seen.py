"""What a split engine's operator sees of it: each role tells what it has, and measures itself as a whole engine does."""

from decimal import Decimal

from gal_friday_core.metrics import BY_NAME
from tests.live.running import split

ACCOUNT = {"portfolio_metrics", "gal_friday_position", "gal_friday_order_path"}


async def test_each_role_tells_its_part_of_the_account_and_its_own_numbers(tmp_path, database_url):
    async with split(tmp_path, database_url) as roles:
        await roles["trader"].until(lambda status: status["orders"] >= 2 and status["fills"] >= 1)
        told = {name: await role.ask("overview") for name, role in roles.items()}
        measured = {name: await role.ask("metrics") for name, role in roles.items()}
        report = await roles["decision"].ask("performance")
    everybody_tells_the_same_account(told)
    each_tells_what_it_has(told)
    the_numbers_are_defined_and_labelled(told, measured)
    assert report["database"]["connections"] > 0
    assert report["memory"]["resident_mb"] > 10


def everybody_tells_the_same_account(told):
    sessions = {one["engine"]["session"] for one in told.values()}
    assert len(sessions) == 1
    assert told["trader"]["engine"]["own_session"] in sessions
    assert len({one["engine"]["own_session"] for one in told.values()}) == 3
    assert [one["engine"]["role"] for one in told.values()] == ["trader", "decision", "alpha"]
    for one in told.values():
        assert Decimal(one["account"]["equity"]) > 9_000
        assert one["strands"]["waiting"] >= 0
        assert one["strands"]["done"] >= 1
        assert one["health"]["memory_mb"] > 10
        assert one["bus"]["failed"] == 0


def each_tells_what_it_has(told):
    trader, decision, alpha = told["trader"], told["decision"], told["alpha"]
    assert {name for name, one in told.items() if "orders" in one} == {"trader"}
    assert {name for name, one in told.items() if "risk" in one} == {"decision"}
    assert {name for name, one in told.items() if "models" in one["engine"]} == {"alpha"}
    assert trader["counts"]["orders"] >= 2
    assert decision["counts"]["approved"] >= 1
    assert alpha["counts"]["proposed"] >= alpha["counts"]["predictions"] / 100
    assert not {"approved", "orders"} & alpha["counts"].keys()
    assert "max_total_exposure" in decision["risk"]["limits"]
    assert "stop_loss" not in decision["risk"]
    assert Decimal(trader["stops"]["stop_loss"]) >= 0
    for pair, held in trader["positions"].items():
        assert held["protected_quantity"] is not None
        assert trader["stops"]["sides"][pair].keys() == {"stop_loss", "unprotected"}


def the_numbers_are_defined_and_labelled(told, measured):
    for name, one in measured.items():
        assert one["labels"] == {
            "mode": "paper", "session": told[name]["engine"]["session"], "role": name
        }  # fmt: skip
        numbers = one["readings"]
        names = {f"{group}_{field}" for group, fields in numbers.items() for field in fields}
        assert names <= BY_NAME.keys()
        assert (numbers.keys() >= ACCOUNT) == (name == "trader")
        assert numbers["gal_friday_strands"]["done_total"] >= 1
        assert numbers["gal_friday_strands"]["handled_p99_seconds"] > 0
        assert numbers["gal_friday_engine"]["uptime_seconds"] > 0
    assert "signals_approved_total" in measured["decision"]["readings"]["gal_friday_engine"]
    assert measured["alpha"]["readings"]["gal_friday_inference"]["p50_seconds"]
