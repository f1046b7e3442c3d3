"""What separates skill from luck: statistics of Sharpe ratios, of choosing the best of many, and of overlapping labels."""
