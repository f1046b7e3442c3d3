"""Experiments between models: who serves which moment, and what may be concluded however often one looks."""
