"""Markers and codes."""
