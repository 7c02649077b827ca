"""Stages that make the picture better or of another size."""
