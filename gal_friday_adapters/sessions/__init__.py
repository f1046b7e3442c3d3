"""Sessions: what a connection said, written as it came, read back, replayed through the live client."""
