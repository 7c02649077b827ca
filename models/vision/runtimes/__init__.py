"""Libraries that run networks, each behind the same small interface and imported only when opened."""
