"""When a model is trained again, and when what came of it may take its place."""
