"""Watches: "tell me when ..." as rules that are seen, edited and kept."""
