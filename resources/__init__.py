"""Files that come with Scenescope: weights with their cards, sample photos, presets, icons, themes, prompts."""
