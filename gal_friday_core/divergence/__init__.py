"""What live earned less, or more, than the backtest of the same time, and what it came of."""
