"""What Gal-Friday decides with: pure, synchronous, and the same in research, backtest, paper and live.

No asyncio, socket, clock, environment or unseeded randomness in here; whoever calls passes those in.
"""

__version__ = "0.1.0"
