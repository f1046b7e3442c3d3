"""Candle history from outside: files and exchanges, each read into the one form that the checks expect."""
