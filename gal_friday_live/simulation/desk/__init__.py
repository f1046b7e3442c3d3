"""A split engine in simulated worlds: three roles on one simulated database that has transactions, locks and strands."""
