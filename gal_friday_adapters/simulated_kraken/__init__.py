"""A server that speaks Kraken REST v0 and websocket v2 over the simulated venue: paper, test and demo exchange."""
