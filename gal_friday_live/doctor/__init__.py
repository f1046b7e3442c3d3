"""Looks at an installation from outside an engine, and measures what `gal_friday_core.doctor` judges.

Entry point: `rounds.examinations` lists what is looked at, `examine.examined` looks at all of it at once. Nothing is
changed, and nothing is waited for longer than its time.
"""
