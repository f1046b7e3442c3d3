"""Strands in PostgreSQL: written with tags, put into inboxes by triggers, handled once each (004 and its errata)."""
