"""Where Gal-Friday touches the world: exchanges, files, databases."""
