"""Features: one compiled kernel, two drivers, one schema."""
