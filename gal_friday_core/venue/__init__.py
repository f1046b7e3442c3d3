"""A spot exchange with Kraken's rules, as a pure state machine: time, randomness and liquidity are passed in."""
