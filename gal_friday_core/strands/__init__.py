"""Strands: what alpha, decision maker and trader say to each other through tables (004 and its errata)."""
