"""What moves in the picture, and what the camera does."""
