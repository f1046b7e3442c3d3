"""Is the model still what it was certified as: inputs, scores, the relation it learnt, and what it earns."""
