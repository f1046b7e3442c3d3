"""Sweeps: many settings of a strategy over the same history, and what is left of the best when luck is taken off."""
