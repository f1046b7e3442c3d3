"""Dagster's notices in one place: what we use knowingly is not announced at each start."""

import warnings

import dagster as dg


def quiet_dagster() -> None:
    """Silence the beta and preview notices of Dagster's own features; called before any definition is made."""
    for notice in (dg.BetaWarning, dg.PreviewWarning):
        warnings.filterwarnings("ignore", category=notice)
