"""Zones, lines and measures: what is counted where."""
