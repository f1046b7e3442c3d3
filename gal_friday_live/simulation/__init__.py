"""Deterministic simulation: the whole engine on virtual time, against a simulated exchange and a faulty store."""
