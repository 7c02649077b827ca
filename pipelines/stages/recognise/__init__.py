"""Stages that find and name things with networks."""
