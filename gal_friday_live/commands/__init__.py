"""Commands of the `gal-friday` program, one module a topic."""
