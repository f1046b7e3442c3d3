"""How much a machine carries: measured costs turned into sizes, and a simulation of what waits in between."""
