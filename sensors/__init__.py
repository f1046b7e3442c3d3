"""Dagster sensors: what the outside world starts."""
