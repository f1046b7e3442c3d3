"""A live engine's flight record: all that it heard and read, in order, so that the same engine can hear it again.

`Recorder` runs an engine on an island: an event loop on which nothing happens but what is let in, one thing at a time,
and written down. `Player` lets the same things in again, and compares what comes out, byte by byte.
"""
