"""Kraken: what is particular to this one exchange."""
