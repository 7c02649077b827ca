"""The Qt views."""
