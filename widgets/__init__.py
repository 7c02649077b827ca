"""The Qt views: a window over the engine. Commands go in through the engine's one door, snapshots come out of it."""
