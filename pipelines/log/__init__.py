"""The event log: what happened in live and file sessions, in one SQLite file."""
