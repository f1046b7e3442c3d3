"""What a split engine's operator sees of it: each role's own word, and all of them as one account in a browser."""

import asyncio
from decimal import Decimal

import httpx
from playwright.async_api import expect

from gal_friday_core.metrics import BY_NAME
from gal_friday_live.dashboard.server import running as dashboard
from tests.adapters.influx_server import TOKEN, InfluxServer
from tests.live.chromium import FOUND, PHONE, overflow, reading, violations
from tests.live.dashboard_room import Room
from tests.live.running import PATIENCE_S, split
from tests.live.world import manager

ACCOUNT = {"portfolio_metrics", "gal_friday_position", "gal_friday_order_path"}


async def test_each_role_tells_its_part_and_a_browser_shows_and_halts_the_account(tmp_path, database_url):
    with InfluxServer() as series:
        sent = {"url": series.url, "token": TOKEN, "every_s": 1}
        await seen(tmp_path, database_url, sent)
        tags = {tag for line in series.lines for tag in line.split(" ")[0].split(",")}
        assert {"role=trader", "role=decision", "role=alpha"} <= tags


async def seen(tmp_path, database_url, sent):
    async with split(tmp_path, database_url, timeseries=sent) as roles:
        await roles["trader"].until(lambda status: status["orders"] >= 2 and status["fills"] >= 1)
        measured = {name: await looked_into(role) for name, role in roles.items()}
        told = {name: await role.ask("overview") for name, role in roles.items()}
        report = await roles["decision"].ask("performance")
        if FOUND is not None:
            await seen_in_a_browser(tmp_path, database_url, roles)
    everybody_tells_the_same_account(told)
    each_tells_what_it_has(told)
    the_numbers_are_defined_and_labelled(told, measured)
    assert report["database"]["connections"] > 0
    assert report["memory"]["resident_mb"] > 10


async def looked_into(role):
    """A role's numbers, once its inbox was looked into after something was handled."""
    async with asyncio.timeout(PATIENCE_S):
        while not handled(told := await role.ask("metrics")):  # noqa: ASYNC110 - asked through the door
            await asyncio.sleep(0.1)
    return told


def handled(told):
    return "handled_p99_seconds" in told["readings"].get("gal_friday_strands", {})


async def seen_in_a_browser(tmp_path, database_url, roles):
    """Every page of the three as one; HALT stops all of them, each is resumed by itself, and one that ends is told."""
    own = manager(
        storage={"data_dir": tmp_path / "dashboard", "database_url": database_url}, dashboard={"port": 0}
    )
    (tmp_path / "dashboard").mkdir()
    folders = [tmp_path / name for name in roles]
    async with (
        dashboard(own, folders) as (address, _),
        reading(Room(own, address.url, None, None)) as reader,
        httpx.AsyncClient(timeout=30) as client,
    ):
        await every_page_is_whole(reader)
        await all_are_halted_and_one_is_resumed(reader, roles)
        scraped = (await client.get(f"{address.url}/metrics")).text
        for name in roles:
            assert f'role="{name}"}}' in scraped
            assert f'gal_friday_dashboard_silent{{engine="{name}"}} 0.0' in scraped
        assert scraped.count("# TYPE gal_friday_engine_halted gauge") == 1
        await one_that_ended_is_told(reader, roles["decision"])
        scraped = (await client.get(f"{address.url}/metrics")).text
        assert 'gal_friday_dashboard_silent{engine="decision"} 1.0' in scraped
        assert reader.complaints == []


async def every_page_is_whole(reader):
    async with reader.page() as page:
        await expect(page.locator("#roles tbody tr")).to_have_count(3)
        await expect(page.locator("#roles")).not_to_contain_text("NOT CONNECTED")
        await expect(page.locator("[data-live='account.equity']")).not_to_have_text("–")
        await expect(page.locator("#limits .bar")).not_to_have_count(0)
        assert await violations(page) == []
    async with reader.page(**PHONE) as page:
        await expect(page.locator("#roles tbody tr")).to_have_count(3)
        await expect(page.locator(".js-plotly-plot, .chart .empty")).to_have_count(1)
        assert await overflow(page) <= 0
    for path, wanted in (
        ("/system", "Waiting in its inbox"),
        ("/risk", "APPROVED"),
        ("/trading", "Open orders"),
    ):
        async with reader.page(path) as page:
            await expect(page.locator("main")).to_contain_text(wanted)
            assert await overflow(page) <= 0, path
            assert await violations(page) == [], path


async def all_are_halted_and_one_is_resumed(reader, roles):
    async with reader.page() as page:
        await page.click("#halt")
        await expect(page.locator("#said")).to_contain_text("Halted (trader, decision, alpha)")
        await expect(page.locator("#state .badge")).to_have_text("HALTED")
        for role in roles.values():
            status = await role.ask("status")
            assert status["halted"]
            assert "dashboard" in status["halt_reason"]
        await expect(page.locator("#resume-role option")).to_have_count(3)
        await page.click("#resume")
        assert await violations(page) == []
        await page.select_option("#resume-role", "alpha")
        await page.fill("[name=reason]", "it was a drill")
        await page.fill("[name=word]", "RESUME")
        await page.keyboard.press("Enter")
        await expect(page.locator("#resume-dialog")).to_be_hidden()
        await expect(page.locator("#resume-role option")).to_have_count(2)
        assert not (await roles["alpha"].ask("status"))["halted"]
        assert (await roles["trader"].ask("status"))["halted"]


async def one_that_ended_is_told(reader, decision):
    async with reader.page() as page:
        await decision.end()
        await expect(page.locator("#state .badge")).to_have_text("DECISION MAKER STOPPED")
        await expect(page.locator("#limits")).to_contain_text("the decision maker does not answer since")
        await expect(page.locator("#roles")).to_contain_text("STOPPED")
    async with reader.page("/risk") as page:
        await expect(page.locator("main")).to_contain_text("the limits that this configuration names")


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
