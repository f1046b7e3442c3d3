"""The dashboard in Chromium: every page in three looks, its buttons, the keyboard, and an engine that goes."""

from playwright.async_api import expect

from gal_friday_live.dashboard.pages import PAGES
from tests.live.chromium import BLANK, DARK, DESK, PHONE, needs_chromium, overflow, reading, violations
from tests.live.dashboard_room import OVERVIEW, room

pytestmark = needs_chromium


async def test_every_page_is_clean_accessible_and_as_wide_as_its_window(tmp_path):
    async with room(tmp_path) as here, reading(here) as reader:
        await here.until(lambda told: told["state"] == "live")
        for each in PAGES:
            async with reader.page(each.path) as page:
                await expect(page.locator("#state .badge")).to_have_text("TRADING")
                assert await page.title() == f"{each.title} · Gal-Friday"
                for look in (DESK, DARK, PHONE):
                    await page.emulate_media(color_scheme=look["color_scheme"])
                    await page.set_viewport_size(look["viewport"])
                    assert await overflow(page) <= 0, each.name
                    assert len(await page.screenshot()) > BLANK, each.name
                    if look is not PHONE:
                        assert await violations(page) == [], each.name
        assert reader.complaints == []


async def test_halt_is_one_click_and_resuming_asks_for_word_and_reason(tmp_path):
    async with room(tmp_path) as here, reading(here) as reader, reader.page() as page:
        await expect(page.locator("#state .badge")).to_have_text("TRADING")
        await expect(page.locator("#resume")).to_be_hidden()
        await page.click("#halt")
        await expect(page.locator("#state .badge")).to_have_text("HALTED")
        await expect(page.locator("#said")).to_contain_text("Halted: no new entries")
        assert here.engine.heard[0][1].endswith("HALT on the dashboard")
        await page.click("#resume")
        await expect(page.locator("#resume-which")).to_be_hidden()  # a whole engine has no roles
        assert await violations(page) == []
        await page.keyboard.type("the feed is back")
        await page.keyboard.press("Tab")
        await page.keyboard.type("resume")
        await page.keyboard.press("Enter")
        assert len(here.engine.heard) == 1, "the word is wrong"
        await page.fill("[name=word]", "RESUME")
        await page.keyboard.press("Enter")
        await expect(page.locator("#state .badge")).to_have_text("TRADING")
        await expect(page.locator("#resume-dialog")).to_be_hidden()
        assert here.engine.heard[1][:2] == ("resume", "the feed is back")
        assert reader.complaints == []


async def test_the_keyboard_reaches_halt_and_escape_leaves_the_dialog(tmp_path):
    async with room(tmp_path) as here, reading(here) as reader:
        await here.engine.trigger_halt("MANUAL by ada: enough", "CANCEL_ENTRIES")
        await here.until(lambda told: told["state"] == "live")
        async with reader.page() as page:
            await expect(page.locator("#resume")).to_be_visible()
            reached = []
            for _ in range(12):
                await page.keyboard.press("Tab")
                reached.append(
                    await page.evaluate("document.activeElement.id || document.activeElement.textContent")
                )
            assert reached[:2] == ["Skip to content", "Gal-Friday"]
            assert {"halt", "resume", "theme"} <= set(reached)
            await page.focus("#resume")
            await page.keyboard.press("Enter")
            await expect(page.locator("#resume-dialog")).to_be_visible()
            await page.keyboard.press("Escape")
            await expect(page.locator("#resume-dialog")).to_be_hidden()


async def test_numbers_and_tables_follow_the_engine_and_pale_when_it_is_gone(tmp_path):
    async with room(tmp_path) as here, reading(here) as reader, reader.page() as page:
        equity = page.locator("[data-live='account.equity']")
        await expect(equity).to_have_text("10,000.00")
        here.engine.overview_told = {
            **OVERVIEW,
            "account": {**OVERVIEW["account"], "equity": "10250.50"},
            "positions": {},
        }
        await expect(equity).to_have_text("10,250.50")
        await expect(page.locator("#positions")).to_contain_text("Nothing is held")
        await here.door.close()
        await expect(page.locator("#state .badge")).to_have_text("ENGINE STOPPED")
        await expect(page.locator("body")).to_have_class("stale")
        await expect(page.locator("#halt")).to_be_disabled()
        assert await violations(page) == []


async def test_light_and_dark_can_be_chosen_and_are_remembered(tmp_path):
    async with room(tmp_path) as here, reading(here) as reader, reader.page(**DARK) as page:
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = await page.evaluate(ground)
        await page.click("#theme")
        light = await page.evaluate(ground)
        assert dark != light
        await page.reload()
        assert await page.evaluate(ground) == light
