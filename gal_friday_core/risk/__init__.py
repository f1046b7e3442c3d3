"""The pre-trade checks: `check` decides on a signal, `orders` on an order as it is to be sent; docs/risk.md lists every code."""
