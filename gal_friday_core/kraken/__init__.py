"""Kraken's wire: what its websocket v2 says, typed and checked; pure, no connection in here."""
