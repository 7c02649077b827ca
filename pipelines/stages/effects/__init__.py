"""Effects and privacy."""
