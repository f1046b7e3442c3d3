"""The pages by name, in the order of the navigation. A page is a module here that makes one `Page`; `PAGES` lists it."""

from gal_friday_live.dashboard.pages import main, model, risk, system, trading
from gal_friday_live.dashboard.pages.page import Page

PAGES: tuple[Page, ...] = (main.PAGE, trading.PAGE, model.PAGE, risk.PAGE, system.PAGE)
BY_NAME = {page.name: page for page in PAGES}

__all__ = ["BY_NAME", "PAGES", "Page"]
