"""Analysing a file frame by frame, keeping what was found, and showing or comparing it later."""
