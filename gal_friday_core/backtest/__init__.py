"""Backtests that skip the idle: compiled scans find the bars where anything can happen, the real modules run there.

Nothing is approximated. `tape` lays out the bars, `forecast` says what model and rule say of each, `scan` runs over
the bars between two events and marks the books exactly, `trader` does at an event what the engine's services do:
the same strategy, risk check, exchange and portfolio. `run` puts them together. The engine over the same bars
gives the same orders, fills and equity, to the last digit.
"""
