"""What learns: one Protocol, and each learner in a file of its own. Training libraries are imported in here only."""
