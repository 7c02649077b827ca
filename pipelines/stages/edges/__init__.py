"""Edges, shapes and colours."""
