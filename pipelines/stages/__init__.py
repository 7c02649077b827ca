"""The stages that come with Scenescope."""
