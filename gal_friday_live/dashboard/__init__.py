"""What an operator sees in a browser: a process of its own that asks the engine and the journal, and decides nothing.

Entry points: `service.DashboardService` (001 §2.18), `app.application` (the web application), `pages.PAGES`.
"""
